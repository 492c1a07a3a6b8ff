//! An interpreter of the pickle instructions that describe a dictionary of tensors.

mod value;

use std::collections::HashMap;
use std::rc::Rc;

use super::Mismatch;

pub use value::Value;

/// Maximum depth of nested values. PyTorch's stay below ten, and dropping a million nested values would overflow the stack.
const MAX_DEPTH: usize = 64;

fn unsupported(found: impl Into<String>) -> Mismatch {
    (found.into(), "a dictionary of tensors, as `torch.save(model.state_dict(), …)` writes it".to_owned())
}

fn truncated() -> Mismatch {
    unsupported("a truncated pickle")
}

/// Reads the pickle at the front of `bytes` and returns its value and its length in bytes.
///
/// # Errors
/// A pickle that is truncated, that holds anything but data and tensors, or that is nested too deeply.
pub fn read_pickle(bytes: &[u8]) -> Result<(Value, usize), Mismatch> {
    let mut machine = Machine { bytes, position: 0, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    let value = machine.run()?;
    Ok((value, machine.position))
}

/// The stack machine of the pickle format.
struct Machine<'a> {
    bytes: &'a [u8],
    position: usize,
    stack: Vec<Nested>,
    /// Heights of the stack at the open marks.
    marks: Vec<usize>,
    /// Values that later instructions may repeat; `None` for a container, which is still empty when it is stored here.
    memo: HashMap<usize, Option<Nested>>,
}

/// A value with the depth of the values nested in it.
#[derive(Clone)]
struct Nested {
    value: Value,
    depth: usize,
}

/// Returns the values, and the depth of a container around them.
///
/// # Errors
/// A depth above [`MAX_DEPTH`].
fn enclose(inner: Vec<Nested>) -> Result<(Vec<Value>, usize), Mismatch> {
    match inner.iter().map(|nested| nested.depth + 1).max().unwrap_or(0) {
        depth if depth > MAX_DEPTH => Err(unsupported(format!("values nested more than {MAX_DEPTH} deep"))),
        depth => Ok((inner.into_iter().map(|nested| nested.value).collect(), depth)),
    }
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<Value, Mismatch> {
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
                    let bytes = bytes.try_into().map_err(|_| truncated())?;
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
                // The attributes of a dictionary, such as its version, have no meaning here.
                b'b' => {
                    self.pop()?;
                    if !matches!(self.stack.last(), Some(Nested { value: Value::Dict(_), .. })) {
                        return Err(unsupported("an object with attributes"));
                    }
                }
                b'Q' => {
                    let Nested { value, depth } = self.pop()?;
                    let (_, depth) = enclose(vec![Nested { value: Value::None, depth }])?;
                    self.stack.push(Nested { value: Value::Persistent(value.into()), depth });
                }
                other => return Err(unsupported(format!("the pickle instruction 0x{other:02x}"))),
            }
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Mismatch> {
        let end = self.position.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.position..end)).ok_or_else(truncated)?;
        self.position += count;
        Ok(taken)
    }

    /// Reads an unsigned little-endian number.
    fn number(&mut self, bytes: usize) -> Result<usize, Mismatch> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |value, &byte| value << 8 | usize::from(byte)))
    }

    fn line(&mut self) -> Result<&'a str, Mismatch> {
        let rest = &self.bytes[self.position..];
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or_else(truncated)?;
        self.position += length + 1;
        std::str::from_utf8(&rest[..length]).map_err(|_| unsupported("a name that is not UTF-8"))
    }

    fn integer(&mut self, bytes: usize) -> Result<(), Mismatch> {
        let value = self.number(bytes)? as i128;
        self.push(Value::Int(value));
        Ok(())
    }

    fn text(&mut self, length: usize) -> Result<(), Mismatch> {
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| unsupported("a text that is not UTF-8"))?;
        self.push(Value::Text(text.into()));
        Ok(())
    }

    /// Pushes a value without nested ones.
    fn push(&mut self, value: Value) {
        self.stack.push(Nested { value, depth: 0 });
    }

    /// Pushes a container of values.
    fn wrap(&mut self, inner: Vec<Nested>, container: impl FnOnce(Vec<Value>) -> Value) -> Result<(), Mismatch> {
        let (values, depth) = enclose(inner)?;
        self.stack.push(Nested { value: container(values), depth });
        Ok(())
    }

    fn pop(&mut self) -> Result<Nested, Mismatch> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= bottom {
            return Err(truncated());
        }
        self.stack.pop().ok_or_else(truncated)
    }

    fn since_mark(&mut self) -> Result<Vec<Nested>, Mismatch> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len()).ok_or_else(truncated)?;
        Ok(self.stack.split_off(mark))
    }

    fn tuple(&mut self, count: usize) -> Result<(), Mismatch> {
        let from = self.stack.len().checked_sub(count).ok_or_else(truncated)?;
        let values = self.stack.split_off(from);
        self.wrap(values, |values| Value::Tuple(values.into()))
    }

    fn remember(&mut self, bytes: usize) -> Result<(), Mismatch> {
        let index = self.number(bytes)?;
        let last = self.stack.last().ok_or_else(truncated)?;
        let container = matches!(last.value, Value::Dict(_) | Value::List(_));
        self.memo.insert(index, (!container).then(|| last.clone()));
        Ok(())
    }

    fn recall(&mut self, bytes: usize) -> Result<(), Mismatch> {
        let index = self.number(bytes)?;
        match self.memo.get(&index) {
            Some(None) => Err(unsupported("a container used twice")),
            Some(Some(value)) => {
                self.stack.push(value.clone());
                Ok(())
            }
            None => Err(truncated()),
        }
    }

    fn append(&mut self, values: Vec<Nested>) -> Result<(), Mismatch> {
        let (values, outer_depth) = enclose(values)?;
        match self.stack.last_mut() {
            Some(Nested { value: Value::List(list), depth }) => {
                list.extend(values);
                *depth = outer_depth.max(*depth);
                Ok(())
            }
            _ => Err(unsupported("an append without a list")),
        }
    }

    fn set(&mut self, values: Vec<Nested>) -> Result<(), Mismatch> {
        let (values, outer_depth) = enclose(values)?;
        let Some(Nested { value: Value::Dict(entries), depth }) = self.stack.last_mut() else {
            return Err(unsupported("entries without a dictionary"));
        };
        *depth = outer_depth.max(*depth);
        let mut values = values.into_iter();
        while let (Some(key), Some(value)) = (values.next(), values.next()) {
            entries.push((key, value));
        }
        Ok(())
    }

    fn call(&mut self) -> Result<(), Mismatch> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let (Value::Tuple(values), Value::Global(function)) = (arguments.value, function.value) else {
            return Err(unsupported("a call without a function"));
        };
        let value = match &*function {
            "collections.OrderedDict" if values.is_empty() => Value::Dict(Vec::new()),
            "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_parameter" => Value::Call(function, values),
            other => return Err(unsupported(format!("a call of {other}"))),
        };
        self.stack.push(Nested { value, depth: arguments.depth });
        Ok(())
    }
}

/// Decodes a little-endian number in two's complement, of at most 16 bytes.
fn signed(bytes: &[u8]) -> Result<i128, Mismatch> {
    if bytes.len() > 16 {
        return Err(unsupported("a number of more than 16 bytes"));
    }
    let fill = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xFF } else { 0 };
    let mut all = [fill; 16];
    all[..bytes.len()].copy_from_slice(bytes);
    Ok(i128::from_le_bytes(all))
}

#[cfg(test)]
mod tests;
