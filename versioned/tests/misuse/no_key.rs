use versioned::Versioned;

#[derive(Versioned)]
#[versioned(table = "pass")]
struct Pass {
    zones: Vec<String>,
    #[version(auto)]
    version: i64,
}

fn main() {}
