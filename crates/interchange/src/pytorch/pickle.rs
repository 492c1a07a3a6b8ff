//! The instructions of a pickle that a dictionary of tensors is made of.

mod value;

use std::collections::HashMap;
use std::rc::Rc;

pub use value::Value;

/// How deeply values may be nested. PyTorch nests them less than ten deep, and what is nested a million deep could not even
/// be dropped.
const DEEPEST: usize = 64;

type Wrong = (String, String);

fn wrong(found: impl Into<String>) -> Wrong {
    (found.into(), "a dictionary of tensors, as `torch.save(model.state_dict(), …)` writes it".to_owned())
}

fn cut() -> Wrong {
    wrong("a pickle that breaks off")
}

/// Reads one pickle from the front of `bytes`: its value, and how many bytes it has; else (found, expected).
pub fn read_pickle(bytes: &[u8]) -> Result<(Value, usize), Wrong> {
    let mut machine = Machine { bytes, at: 0, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    let value = machine.run()?;
    Ok((value, machine.at))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Nested>,
    /// Heights of the stack.
    marks: Vec<usize>,
    /// What may be used again. Of containers only that there was one: what is remembered of them is not yet filled.
    memo: HashMap<usize, Option<Nested>>,
}

/// A value, and how deeply others are nested in it.
#[derive(Clone)]
struct Nested {
    value: Value,
    depth: usize,
}

/// The values, and how deeply they are nested in what is around them.
fn around(inner: Vec<Nested>) -> Result<(Vec<Value>, usize), Wrong> {
    match inner.iter().map(|nested| nested.depth + 1).max().unwrap_or(0) {
        depth if depth > DEEPEST => Err(wrong(format!("values nested more than {DEEPEST} deep"))),
        depth => Ok((inner.into_iter().map(|nested| nested.value).collect(), depth)),
    }
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<Value, Wrong> {
        loop {
            let instruction = self.take(1)?[0];
            match instruction {
                b'\x80' => drop(self.take(1)?), // protocol
                b'.' => return Ok(self.pop()?.value),
                b'(' => self.marks.push(self.stack.len()),
                b'N' => self.push(Value::None),
                b'\x88' => self.push(Value::Bool(true)),
                b'\x89' => self.push(Value::Bool(false)),
                b'K' => self.integer(1)?,
                b'M' => self.integer(2)?,
                b'J' => {
                    let value = self.number(4)? as u32 as i32;
                    self.push(Value::Int(value.into()));
                }
                b'\x8a' => {
                    let length = self.number(1)?;
                    let value = signed(self.take(length)?)?;
                    self.push(Value::Int(value));
                }
                b'G' => {
                    let bytes = self.take(8)?;
                    let bytes = bytes.try_into().map_err(|_| cut())?;
                    self.push(Value::Float(f64::from_be_bytes(bytes)));
                }
                b'X' => {
                    let length = self.number(4)?;
                    self.text(length)?;
                }
                b'\x8c' => {
                    let length = self.number(1)?;
                    self.text(length)?;
                }
                b'c' => {
                    let name = format!("{}.{}", self.line()?, self.line()?);
                    self.push(Value::Global(name.into()));
                }
                b'q' => self.remember(1)?,
                b'r' => self.remember(4)?,
                b'h' => self.recall(1)?,
                b'j' => self.recall(4)?,
                b')' => self.push(Value::Tuple(Rc::from([]))),
                b'\x85' => self.tuple(1)?,
                b'\x86' => self.tuple(2)?,
                b'\x87' => self.tuple(3)?,
                b't' => {
                    let values = self.since_mark()?;
                    self.wrap(values, |values| Value::Tuple(values.into()))?;
                }
                b']' => self.push(Value::List(Vec::new())),
                b'a' => {
                    let value = self.pop()?;
                    self.append(vec![value])?;
                }
                b'e' => {
                    let values = self.since_mark()?;
                    self.append(values)?;
                }
                b'}' => self.push(Value::Dict(Vec::new())),
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set(vec![key, value])?;
                }
                b'u' => {
                    let values = self.since_mark()?;
                    self.set(values)?;
                }
                b'R' => self.call()?,
                // The attributes of a dictionary, such as its version: of no meaning here.
                b'b' => {
                    self.pop()?;
                    if !matches!(self.stack.last(), Some(Nested { value: Value::Dict(_), .. })) {
                        return Err(wrong("an object with attributes"));
                    }
                }
                b'Q' => {
                    let Nested { value, depth } = self.pop()?;
                    let (_, depth) = around(vec![Nested { value: Value::None, depth }])?;
                    self.stack.push(Nested { value: Value::Persistent(value.into()), depth });
                }
                other => return Err(wrong(format!("the pickle instruction 0x{other:02x}"))),
            }
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Wrong> {
        let taken = self.at.checked_add(count).and_then(|end| self.bytes.get(self.at..end)).ok_or_else(cut)?;
        self.at += count;
        Ok(taken)
    }

    /// An unsigned number of a few bytes.
    fn number(&mut self, bytes: usize) -> Result<usize, Wrong> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |value, &byte| value << 8 | usize::from(byte)))
    }

    fn line(&mut self) -> Result<&'a str, Wrong> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or_else(cut)?;
        self.at += length + 1;
        std::str::from_utf8(&rest[..length]).map_err(|_| wrong("a name that is not UTF-8"))
    }

    fn integer(&mut self, bytes: usize) -> Result<(), Wrong> {
        let value = self.number(bytes)? as i128;
        self.push(Value::Int(value));
        Ok(())
    }

    fn text(&mut self, length: usize) -> Result<(), Wrong> {
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| wrong("a text that is not UTF-8"))?;
        self.push(Value::Text(text.into()));
        Ok(())
    }

    /// Puts a value that holds no others on the stack.
    fn push(&mut self, value: Value) {
        self.stack.push(Nested { value, depth: 0 });
    }

    /// Puts a value on the stack that is made of others.
    fn wrap(&mut self, inner: Vec<Nested>, make: impl FnOnce(Vec<Value>) -> Value) -> Result<(), Wrong> {
        let (values, depth) = around(inner)?;
        self.stack.push(Nested { value: make(values), depth });
        Ok(())
    }

    fn pop(&mut self) -> Result<Nested, Wrong> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= bottom {
            return Err(cut());
        }
        self.stack.pop().ok_or_else(cut)
    }

    fn since_mark(&mut self) -> Result<Vec<Nested>, Wrong> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len()).ok_or_else(cut)?;
        Ok(self.stack.split_off(mark))
    }

    fn tuple(&mut self, count: usize) -> Result<(), Wrong> {
        let from = self.stack.len().checked_sub(count).ok_or_else(cut)?;
        let values = self.stack.split_off(from);
        self.wrap(values, |values| Value::Tuple(values.into()))
    }

    fn remember(&mut self, bytes: usize) -> Result<(), Wrong> {
        let place = self.number(bytes)?;
        let last = self.stack.last().ok_or_else(cut)?;
        let container = matches!(last.value, Value::Dict(_) | Value::List(_));
        self.memo.insert(place, (!container).then(|| last.clone()));
        Ok(())
    }

    fn recall(&mut self, bytes: usize) -> Result<(), Wrong> {
        let place = self.number(bytes)?;
        match self.memo.get(&place) {
            Some(None) => Err(wrong("a container that is used twice")),
            Some(Some(value)) => {
                self.stack.push(value.clone());
                Ok(())
            }
            None => Err(cut()),
        }
    }

    fn append(&mut self, values: Vec<Nested>) -> Result<(), Wrong> {
        let (values, around) = around(values)?;
        match self.stack.last_mut() {
            Some(Nested { value: Value::List(list), depth }) => {
                list.extend(values);
                *depth = around.max(*depth);
                Ok(())
            }
            _ => Err(wrong("something appended to what is no list")),
        }
    }

    fn set(&mut self, values: Vec<Nested>) -> Result<(), Wrong> {
        let (values, around) = around(values)?;
        let Some(Nested { value: Value::Dict(entries), depth }) = self.stack.last_mut() else {
            return Err(wrong("entries of what is no dictionary"));
        };
        *depth = around.max(*depth);
        let mut values = values.into_iter();
        while let (Some(key), Some(value)) = (values.next(), values.next()) {
            entries.push((key, value));
        }
        Ok(())
    }

    fn call(&mut self) -> Result<(), Wrong> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let (Value::Tuple(values), Value::Global(function)) = (arguments.value, function.value) else {
            return Err(wrong("a call of what is no function"));
        };
        let value = match &*function {
            "collections.OrderedDict" if values.is_empty() => Value::Dict(Vec::new()),
            "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_parameter" => Value::Call(function, values),
            other => return Err(wrong(format!("a call of {other}"))),
        };
        self.stack.push(Nested { value, depth: arguments.depth });
        Ok(())
    }
}

/// A little-endian number in two's complement, of at most 16 bytes.
fn signed(bytes: &[u8]) -> Result<i128, Wrong> {
    if bytes.len() > 16 {
        return Err(wrong("a number of more than 16 bytes"));
    }
    let fill = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xFF } else { 0 };
    let mut all = [fill; 16];
    all[..bytes.len()].copy_from_slice(bytes);
    Ok(i128::from_le_bytes(all))
}

#[cfg(test)]
mod tests;
