use versioned::Versioned;

#[derive(Versioned)]
struct Pass {
    #[version(key)]
    card_id: String,
    zones: Vec<String>,
    #[version(auto)]
    version: i64,
}

fn main() {}
