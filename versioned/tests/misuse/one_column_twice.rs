use versioned::Versioned;

#[derive(Versioned)]
#[versioned(table = "pass")]
struct Pass {
    #[version(key)]
    card_id: String,
    zones: Vec<String>,
    #[version(auto)]
    version: i64,
    #[version(column = "zones")]
    areas: Vec<String>,
}

fn main() {}
