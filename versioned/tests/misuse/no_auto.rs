use versioned::Versioned;

#[derive(Versioned)]
#[versioned(table = "pass")]
struct Pass {
    #[version(key)]
    card_id: String,
    zones: Vec<String>,
}

fn main() {}
