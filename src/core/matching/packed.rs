//! Columns of numbers, stored as small as they are exact.

use std::ops::Range;

/// Numbers in the narrowest of four types that holds every one of them exactly.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Packed {
    U8(Vec<u8>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

#[expect(clippy::float_cmp, reason = "the question is whether the narrower type holds the same number")]
fn as_u8(value: f64) -> Option<u8> {
    (f64::from(value as u8) == value).then_some(value as u8)
}

#[expect(clippy::float_cmp, reason = "the question is whether the narrower type holds the same number")]
fn as_i32(value: f64) -> Option<i32> {
    (f64::from(value as i32) == value).then_some(value as i32)
}

#[expect(clippy::float_cmp, reason = "the question is whether the narrower type holds the same number")]
fn as_f32(value: f64) -> Option<f32> {
    (f64::from(value as f32) == value).then_some(value as f32)
}

impl Packed {
    pub(crate) fn push(&mut self, value: f64) {
        match self {
            Self::U8(v) if let Some(x) = as_u8(value) => v.push(x),
            Self::I32(v) if let Some(x) = as_i32(value) => v.push(x),
            Self::F32(v) if let Some(x) = as_f32(value) => v.push(x),
            Self::F64(v) => v.push(value),
            _ => {
                self.widen(value);
                self.push(value);
            }
        }
    }

    /// Takes the narrowest wider type that holds what is there and `value`.
    fn widen(&mut self, value: f64) {
        let old = self.values();
        let fits = |test: fn(f64) -> bool| test(value) && old.iter().all(|&x| test(x));
        *self = if !matches!(self, Self::I32(_)) && fits(|x| as_i32(x).is_some()) {
            Self::I32(old.iter().map(|&x| x as i32).collect())
        } else if !matches!(self, Self::F32(_)) && fits(|x| as_f32(x).is_some()) {
            Self::F32(old.iter().map(|&x| x as f32).collect())
        } else {
            Self::F64(old)
        };
    }

    pub(crate) fn values(&self) -> Vec<f64> {
        let mut out = vec![0.0; self.len()];
        self.copy_to(0..self.len(), &mut out);
        out
    }

    pub(crate) fn truncate(&mut self, rows: usize) {
        match self {
            Self::U8(v) => v.truncate(rows),
            Self::I32(v) => v.truncate(rows),
            Self::F32(v) => v.truncate(rows),
            Self::F64(v) => v.truncate(rows),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// The value of one row.
    pub(crate) fn get(&self, row: usize) -> f64 {
        match self {
            Self::U8(v) => f64::from(v[row]),
            Self::I32(v) => f64::from(v[row]),
            Self::F32(v) => f64::from(v[row]),
            Self::F64(v) => v[row],
        }
    }

    /// Writes the values of `rows` to `out`, which has their length.
    pub(crate) fn copy_to(&self, rows: Range<usize>, out: &mut [f64]) {
        fn widen<T: Copy + Into<f64>>(from: &[T], to: &mut [f64]) {
            for (to, &from) in to.iter_mut().zip(from) {
                *to = from.into();
            }
        }
        match self {
            Self::U8(v) => widen(&v[rows], out),
            Self::I32(v) => widen(&v[rows], out),
            Self::F32(v) => widen(&v[rows], out),
            Self::F64(v) => out.copy_from_slice(&v[rows]),
        }
    }

    /// Writes 1 where a row of `rows` holds `code`, else 0.
    pub(crate) fn indicate(&self, code: u32, rows: Range<usize>, out: &mut [f64]) {
        fn mark<T: Copy + PartialEq>(from: &[T], code: T, to: &mut [f64]) {
            for (to, &from) in to.iter_mut().zip(from) {
                *to = if from == code { 1.0 } else { 0.0 };
            }
        }
        match self {
            Self::U8(v) => mark(&v[rows], code as u8, out),
            Self::I32(v) => mark(&v[rows], code as i32, out),
            Self::F32(v) => mark(&v[rows], code as f32, out),
            Self::F64(v) => mark(&v[rows], f64::from(code), out),
        }
    }

    pub(crate) fn permuted(&self, order: &[u32]) -> Self {
        fn pick<T: Copy>(from: &[T], order: &[u32]) -> Vec<T> {
            order.iter().map(|&row| from[row as usize]).collect()
        }
        match self {
            Self::U8(v) => Self::U8(pick(v, order)),
            Self::I32(v) => Self::I32(pick(v, order)),
            Self::F32(v) => Self::F32(pick(v, order)),
            Self::F64(v) => Self::F64(pick(v, order)),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::I32(v) => 4 * v.len(),
            Self::F32(v) => 4 * v.len(),
            Self::F64(v) => 8 * v.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_stored_in_the_narrowest_type_that_is_exact() {
        let kept = |values: &[f64]| {
            let mut packed = Packed::U8(Vec::new());
            values.iter().for_each(|&v| packed.push(v));
            assert_eq!(packed.values(), values);
            match packed {
                Packed::U8(_) => "u8",
                Packed::I32(_) => "i32",
                Packed::F32(_) => "f32",
                Packed::F64(_) => "f64",
            }
        };
        assert_eq!(kept(&[0.0, 255.0]), "u8");
        assert_eq!(kept(&[1.0, -1.0, 70_000.0]), "i32");
        assert_eq!(kept(&[1.0, 0.5]), "f32");
        assert_eq!(kept(&[1.0, -3.0, 0.5]), "f32");
        assert_eq!(kept(&[1.0, 2e9, 0.5]), "f32");
        assert_eq!(kept(&[1.0, 2e9 + 1.0, 0.5]), "f64");
        assert_eq!(kept(&[0.5, 0.1]), "f64");
        assert_eq!(kept(&[1e300]), "f64");
    }
}
