use versioned::Versioned;

#[derive(Versioned)]
#[versioned(table = "pass")]
struct Pass {
    #[version(key, auto)]
    card_id: i64,
    zones: Vec<String>,
    #[version(auto)]
    #[version(auto)]
    version: i64,
}

fn main() {}
