//! Pickles as PyTorch writes them, and rejected ones.

use super::*;

fn error(bytes: &[u8]) -> String {
    read_pickle(bytes).unwrap_err().0
}

#[test]
fn numbers_texts_and_containers_are_read() {
    // pickle.dumps({"a": (1, -2, 300), "b": [True, None, 0.5]}, 2)
    let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01J\xfe\xff\xff\xffM,\x01\x87q\x02X\x01\x00\x00\x00b]\
                  (\x88NG?\xe0\x00\x00\x00\x00\x00\x00eu.rest";
    let (value, read) = read_pickle(bytes).unwrap();
    assert_eq!(&bytes[read..], b"rest");
    let numbers = [1, -2, 300].map(Value::Int);
    assert_eq!(value.entry("a"), Some(&Value::Tuple(Rc::from(numbers))));
    assert_eq!(value.entry("b"), Some(&Value::List(vec![Value::Bool(true), Value::None, Value::Float(0.5)])));
}

#[test]
fn calls_of_other_functions_are_rejected() {
    assert_eq!(error(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R."), "a call of os.system");
    assert_eq!(error(b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R."), "a call of __builtin__.eval");
    assert_eq!(error(b"\x80\x02cfoo\nBar\n)\x81."), "the pickle instruction 0x81");
}

#[test]
fn damage_is_reported() {
    for bytes in [&b""[..], b"\x80", b"X\xff\xff\xff\xffab", b"h\x05.", b"u.", b"(.", b"\x85.", b"q\x00.", b"cos"] {
        assert_eq!(error(bytes), "a truncated pickle", "{bytes:?}");
    }
    assert_eq!(error(b"}q\x00h\x00."), "a container used twice");
}

#[test]
fn depth_of_nested_values_is_limited() {
    let nested = |depth: usize| [&b"N"[..], &b"\x85".repeat(depth), b"."].concat();
    assert!(read_pickle(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(error(&nested(MAX_DEPTH + 1)), "values nested more than 64 deep");
    // A repeated value keeps its depth.
    let again = [&b"N"[..], &b"\x85".repeat(MAX_DEPTH), b"q\x00h\x00\x85."].concat();
    assert_eq!(error(&again), "values nested more than 64 deep");
}
