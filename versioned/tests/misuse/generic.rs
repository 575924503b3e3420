use versioned::Versioned;

#[derive(Versioned)]
#[versioned(table = "pass")]
struct Pass<T> {
    #[version(key)]
    card_id: String,
    zones: T,
    #[version(auto)]
    version: i64,
}

#[derive(Versioned)]
#[versioned(table = "door")]
struct Door<'a> {
    #[version(key)]
    door_id: &'a str,
    zones: Vec<String>,
    #[version(auto)]
    version: i64,
}

fn main() {}
