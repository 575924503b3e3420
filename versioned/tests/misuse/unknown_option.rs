use versioned::Versioned;

#[derive(Versioned)]
#[versioned(table = "pass")]
struct Pass {
    #[version(key)]
    card_id: String,
    #[version(optional)]
    zones: Vec<String>,
    #[version(auto)]
    version: i64,
}

#[derive(Versioned)]
#[versioned(table = "door", schema = "public")]
struct Door {
    #[version(key)]
    card_id: String,
    zones: Vec<String>,
    #[version(auto)]
    version: i64,
}

fn main() {}
