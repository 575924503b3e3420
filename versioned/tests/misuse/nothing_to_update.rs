use versioned::Versioned;

#[derive(Versioned)]
#[versioned(table = "pass")]
struct Pass {
    #[version(key)]
    card_id: String,
    #[version(auto)]
    version: i64,
}

fn main() {}
