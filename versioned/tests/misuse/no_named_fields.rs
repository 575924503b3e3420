use versioned::Versioned;

#[derive(Versioned)]
#[versioned(table = "pass")]
struct Pass(#[version(key)] String, #[version(auto)] i64);

#[derive(Versioned)]
#[versioned(table = "unit")]
struct Unit;

#[derive(Versioned)]
#[versioned(table = "kind")]
enum Kind {
    Visitor,
}

fn main() {}
