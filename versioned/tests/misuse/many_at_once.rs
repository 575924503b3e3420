use versioned::Versioned;

#[derive(Versioned)]
struct Pass {
    zones: Vec<String>,
    #[version(keys)]
    card_id: String,
    #[version(column = "")]
    label: String,
}

fn main() {}
