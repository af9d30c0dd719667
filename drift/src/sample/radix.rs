//! Sorts floats by their bits.

/// Below this length a comparison sort is faster.
const SMALL: usize = 512;
const BITS: u32 = 11;
const BUCKETS: usize = 1 << BITS;
const PASSES: usize = 64_usize.div_ceil(BITS as usize);
const SIGN: u64 = 1 << 63;

/// Bits whose unsigned order is the order of the floats: the sign is flipped, and of negative
/// floats all other bits too.
fn key(value: f64) -> u64 {
    // Adding zero turns −0 into +0: both zeros are one value.
    let bits = (value + 0.0).to_bits();
    bits ^ (((bits as i64) >> 63) as u64 | SIGN)
}

fn value(key: u64) -> f64 {
    f64::from_bits(if key & SIGN == 0 { !key } else { key ^ SIGN })
}

/// The values in ascending order, −0 turned into +0. NaN must not occur.
///
/// A least-significant-digit radix sort: no comparison, so nothing to mispredict. Digits that are
/// the same in all values (small integers have many) are skipped.
pub(super) fn sorted(values: &[f64]) -> Vec<f64> {
    if values.len() < SMALL {
        let mut values: Vec<f64> = values.iter().map(|value| value + 0.0).collect();
        values.sort_unstable_by(f64::total_cmp);
        return values;
    }
    let mut keys = Vec::with_capacity(values.len());
    let mut counts = vec![[0_u32; BUCKETS]; PASSES];
    for value in values {
        let key = key(*value);
        for (pass, counts) in counts.iter_mut().enumerate() {
            counts[digit(key, pass)] += 1;
        }
        keys.push(key);
    }
    let mut spare = vec![0_u64; keys.len()];
    for (pass, counts) in counts.iter_mut().enumerate() {
        if counts[digit(keys[0], pass)] as usize == keys.len() {
            continue;
        }
        let mut offset = 0;
        for count in counts.iter_mut() {
            let next = offset + *count;
            *count = offset;
            offset = next;
        }
        for key in &keys {
            let slot = &mut counts[digit(*key, pass)];
            spare[*slot as usize] = *key;
            *slot += 1;
        }
        std::mem::swap(&mut keys, &mut spare);
    }
    keys.into_iter().map(value).collect()
}

fn digit(key: u64, pass: usize) -> usize {
    (key >> (pass as u32 * BITS)) as usize & (BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_comparison_sort() {
        let mut state = 1_u64;
        let mut values: Vec<f64> = (0..5000)
            .map(|_| {
                state = state
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                f64::from_bits(state.rotate_left(17))
            })
            .filter(|value| !value.is_nan())
            .collect();
        values.extend([
            0.0,
            -0.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MIN_POSITIVE / 4.0,
        ]);
        let mut expected: Vec<f64> = values.iter().map(|value| value + 0.0).collect();
        expected.sort_by(f64::total_cmp);
        let bits = |v: &[f64]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&sorted(&values)), bits(&expected));
        let integers: Vec<f64> = (0..2000).rev().map(f64::from).collect();
        assert!(sorted(&integers).is_sorted());
    }
}
