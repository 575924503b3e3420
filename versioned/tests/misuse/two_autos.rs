use versioned::Versioned;

#[derive(Versioned)]
#[versioned(table = "pass")]
struct Pass {
    #[version(key)]
    card_id: String,
    zones: Vec<String>,
    #[version(auto)]
    version: i64,
    #[version(auto)]
    edition: i64,
}

fn main() {}
