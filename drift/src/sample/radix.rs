//! Sorts floats by their bits.

/// Below this length a comparison sort is faster.
const SMALL: usize = 512;
const BITS: u32 = 11;
const BUCKETS: usize = 1 << BITS;
const PASSES: u32 = 3;
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
/// A least-significant-digit radix sort of the 33 highest bits that vary, which mispredicts
/// nothing; what these bits leave equal, seldom more than a few neighbours, is then sorted by
/// comparison.
pub(crate) fn sorted(values: &[f64]) -> Vec<f64> {
    if values.len() < SMALL {
        let mut values: Vec<f64> = values.iter().map(|value| value + 0.0).collect();
        values.sort_unstable_by(f64::total_cmp);
        return values;
    }
    let mut keys: Vec<u64> = values.iter().map(|value| key(*value)).collect();
    let varying = keys.iter().fold(0, |bits, key| bits | (key ^ keys[0]));
    let shift = (u64::BITS - varying.leading_zeros()).saturating_sub(PASSES * BITS);
    let mut counts = [[0_u32; BUCKETS]; PASSES as usize];
    for key in &keys {
        let mut rest = key >> shift;
        for counts in &mut counts {
            counts[rest as usize % BUCKETS] += 1;
            rest >>= BITS;
        }
    }
    let mut spare = vec![0_u64; keys.len()];
    for (pass, counts) in (0..).zip(&mut counts) {
        let shift = shift + pass * BITS;
        let digit = |key: u64| (key >> shift) as usize % BUCKETS;
        if counts[digit(keys[0])] as usize == keys.len() {
            continue;
        }
        let mut offset = 0;
        for count in counts.iter_mut() {
            let next = offset + *count;
            *count = offset;
            offset = next;
        }
        for key in &keys {
            let slot = &mut counts[digit(*key)];
            spare[*slot as usize] = *key;
            *slot += 1;
        }
        std::mem::swap(&mut keys, &mut spare);
    }
    if shift > 0 {
        for equal in keys.chunk_by_mut(|a, b| a >> shift == b >> shift) {
            equal.sort_unstable();
        }
    }
    keys.into_iter().map(value).collect()
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
        let near: Vec<f64> = (0..3000)
            .map(|i| 1.0 + f64::from(i * 7 % 3001) * 1e-16)
            .collect();
        assert!(sorted(&near).is_sorted());
        let integers: Vec<f64> = (0..2000).rev().map(f64::from).collect();
        assert!(sorted(&integers).is_sorted());
    }
}
