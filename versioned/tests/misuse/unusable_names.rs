use versioned::Versioned;

#[derive(Versioned)]
#[versioned(table = "")]
struct Pass {
    #[version(key)]
    card_id: String,
    #[version(column = "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz")]
    zones: Vec<String>,
    #[version(column = "a", column = "b")]
    label: String,
    #[version(auto)]
    version: i64,
}

fn main() {}
