//! Wrong declarations do not compile, and the compiler says what to do instead.

#[test]
fn every_misuse_is_explained() {
    trybuild::TestCases::new().compile_fail("tests/misuse/*.rs");
}
