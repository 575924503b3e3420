use versioned::Versioned;

#[derive(Versioned)]
#[version(table = "pass")]
struct Pass {
    #[version(key)]
    card_id: String,
    zones: Vec<String>,
    #[version(auto)]
    version: i64,
}

#[derive(Versioned)]
#[versioned(table = "door")]
struct Door {
    #[version(key)]
    card_id: String,
    #[versioned(auto)]
    version: i64,
}

fn main() {}
