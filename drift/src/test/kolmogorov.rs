//! The distribution of the one-sample Kolmogorov–Smirnov statistic for finite n.
//!
//! Regions and methods are those of Simard and L'Ecuyer (*Computing the two-sided
//! Kolmogorov–Smirnov distribution*, J. Stat. Softw. 39(11), 2011) as scipy applies them.

use std::f64::consts::{PI, TAU};

/// P(D_n ≥ d).
pub(super) fn sf(n: f64, d: f64) -> f64 {
    if d.is_nan() || n < 1.0 {
        return f64::NAN;
    }
    let t = n * d;
    if d >= 1.0 {
        return 0.0;
    }
    if t <= 0.5 {
        return 1.0;
    }
    if t <= 1.0 {
        // Ruben and Gambino: P(D_n ≤ d) = n!·((2t − 1)/n)ⁿ.
        let log = stirling_error(n) + 0.5 * (TAU * n).ln() - n + n * (2.0 * t - 1.0).ln();
        return 1.0 - log.exp();
    }
    if t >= n - 1.0 {
        return (2.0 * (1.0 - d).powf(n)).min(1.0);
    }
    let scaled = t * d;
    if scaled >= 370.0 {
        return 0.0;
    }
    if d >= 0.5 || scaled >= if n <= 140.0 { 4.0 } else { 2.2 } {
        return (2.0 * one_sided_sf(n, d)).min(1.0);
    }
    if n <= 140.0 || (n <= 1e5 && n * d.powf(1.5) <= 1.4) {
        1.0 - durbin(n as usize, d)
    } else {
        1.0 - pelz_good(n, d)
    }
}

/// ln(k!) − ln(√(2πk)·(k/e)^k), the error of Stirling's formula; 0 for k = 0.
fn stirling_error(k: f64) -> f64 {
    // The series below is accurate from 16 on; smaller ones are counted up to there.
    let mut missing = 0.0;
    let mut at = k.max(1.0);
    while at < 16.0 {
        // error(k) = error(k + 1) + (k + ½)·ln(1 + 1/k) − 1
        missing += (at + 0.5) * (1.0 / at).ln_1p() - 1.0;
        at += 1.0;
    }
    let square = at * at;
    missing
        + (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / (1680.0 * square)) / square) / square)
            / at
}

/// P(D⁺_n ≥ d) = Σ_j d·C(n, j)·(d + j/n)^(j−1)·(1 − d − j/n)^(n−j) (Birnbaum and Tingey, 1951).
///
/// Binomial terms are taken in the saddle-point form, in which the large exponents cancel before
/// they are computed. Beyond a million, where this takes too long, Smirnov's asymptotic formula
/// exp(−(6nd + 1)²/(18n)) stands in, as in scipy.
fn one_sided_sf(n: f64, d: f64) -> f64 {
    let t = n * d;
    if n > 1e6 {
        return (-(6.0 * t + 1.0).powi(2) / (18.0 * n)).exp();
    }
    let error_n = stirling_error(n);
    let mut sum = (n * (-d).ln_1p()).exp();
    let last = (n * (1.0 - d)).floor();
    let mut j = 1.0;
    while j <= last {
        let rest = n - j;
        if rest == 0.0 {
            break;
        }
        let left = 1.0 - t / rest;
        if left > 0.0 {
            let log = j * (t / j).ln_1p() + rest * (-t / rest).ln_1p() + error_n
                - stirling_error(j)
                - stirling_error(rest);
            sum += log.exp() * (n / (TAU * j * rest)).sqrt() * (t / (t + j));
        }
        j += 1.0;
    }
    sum.min(1.0)
}

/// P(D_n ≤ d) by Durbin's matrix in the form of Marsaglia, Tsang and Wang (*Evaluating
/// Kolmogorov's distribution*, 2003).
fn durbin(n: usize, d: f64) -> f64 {
    const HUGE: f64 = 1e140;
    let t = n as f64 * d;
    let k = t.ceil() as usize;
    let h = k as f64 - t;
    let size = 2 * k - 1;
    let mut matrix = vec![0.0; size * size];
    for row in 0..size {
        for column in 0..size.min(row + 2) {
            matrix[row * size + column] = 1.0;
        }
    }
    for i in 0..size {
        matrix[i * size] -= h.powi(i as i32 + 1);
        matrix[(size - 1) * size + i] -= h.powi((size - i) as i32);
    }
    matrix[(size - 1) * size] += (2.0 * h - 1.0).max(0.0).powi(size as i32);
    for row in 0..size {
        let mut factorial = 1.0;
        for column in (0..=row).rev() {
            factorial *= (row + 1 - column) as f64;
            matrix[row * size + column] /= factorial;
        }
    }
    // matrixⁿ, with a common factor HUGE^exponent taken out.
    let (mut base, mut base_exponent) = (matrix, 0_i32);
    let mut power: Option<Vec<f64>> = None;
    let mut exponent = 0_i32;
    let mut left = n;
    while left > 0 {
        if left % 2 == 1 {
            power = Some(match power {
                None => base.clone(),
                Some(power) => multiply(&power, &base, size),
            });
            exponent += base_exponent;
            if let Some(power) = &mut power {
                exponent += rescale(power, (k - 1) * (size + 1), HUGE);
            }
        }
        left /= 2;
        if left > 0 {
            base = multiply(&base, &base, size);
            base_exponent *= 2;
            base_exponent += rescale(&mut base, (k - 1) * (size + 1), HUGE);
        }
    }
    let mut p = power.map_or(0.0, |power| power[(k - 1) * (size + 1)]);
    for i in 1..=n {
        p *= i as f64 / n as f64;
        if p < 1.0 / HUGE {
            p *= HUGE;
            exponent -= 1;
        }
    }
    (p * HUGE.powi(exponent)).clamp(0.0, 1.0)
}

fn rescale(matrix: &mut [f64], center: usize, huge: f64) -> i32 {
    if matrix[center] <= huge {
        return 0;
    }
    for value in matrix {
        *value /= huge;
    }
    1
}

fn multiply(a: &[f64], b: &[f64], size: usize) -> Vec<f64> {
    let mut product = vec![0.0; size * size];
    for (row, out) in a.chunks_exact(size).zip(product.chunks_exact_mut(size)) {
        for (factor, other) in row.iter().zip(b.chunks_exact(size)) {
            for (sum, value) in out.iter_mut().zip(other) {
                *sum += factor * value;
            }
        }
    }
    product
}

/// P(D_n ≤ d) by the expansion of Pelz and Good (*Approximating the lower tail-areas of the
/// Kolmogorov–Smirnov one-sample statistic*, 1976): K₀(z) + K₁(z)/√n + K₂(z)/n + K₃(z)/n^(3/2)
/// with z = d·√n.
fn pelz_good(n: f64, d: f64) -> f64 {
    let z = n.sqrt() * d;
    let z2 = z * z;
    let (z4, z6) = (z2 * z2, z2 * z2 * z2);
    let (pi2, pi4, pi6) = (PI.powi(2), PI.powi(4), PI.powi(6));
    let mut k = [0.0_f64; 4];
    // The summands fall as e^(−π²h²/2z²): for z < 2, all that is asked for, 30 are plenty.
    for i in (0..30).rev() {
        let h = f64::from(i) + 0.5;
        let h2 = h * h;
        let weight = (-pi2 * h2 / (2.0 * z2)).exp();
        k[0] += weight;
        k[1] += weight * (pi2 * h2 - z2);
        k[2] += weight
            * (6.0 * z6
                + 2.0 * z4
                + pi2 * (2.0 * z4 - 5.0 * z2) * h2
                + pi4 * (1.0 - 2.0 * z2) * h2 * h2);
        k[3] += weight
            * (pi6 * h2.powi(3) * (5.0 - 30.0 * z2)
                + pi4 * h2 * h2 * (-60.0 * z2 + 212.0 * z4)
                + pi2 * h2 * (135.0 * z4 - 96.0 * z6)
                - 30.0 * z6
                - 90.0 * z4 * z4);
    }
    let (mut extra2, mut extra3) = (0.0, 0.0);
    for i in (1..30).rev() {
        let i2 = f64::from(i * i);
        let weight = (-pi2 * i2 / (2.0 * z2)).exp();
        extra2 += weight * i2;
        extra3 += weight * i2 * (3.0 * z2 - pi2 * i2);
    }
    let root = TAU.sqrt();
    let k0 = root / z * k[0];
    let k1 = root / (6.0 * z4) * k[1];
    let k2 = root / (72.0 * z6 * z) * k[2] - root * pi2 / (36.0 * z2 * z) * extra2;
    let k3 = root / (6480.0 * z6 * z4) * k[3] + root * pi2 / (216.0 * z6) * extra3;
    (k0 + k1 / n.sqrt() + k2 / n + k3 / (n * n.sqrt())).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_scipy_in_every_region() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/golden/scipy.json")).unwrap();
        let cases = golden["kolmogorov"].as_array().unwrap();
        assert!(cases.len() > 200);
        let mut wrong = Vec::new();
        for case in cases {
            let [n, d, expected] = [0, 1, 2].map(|i| case[i].as_f64().unwrap());
            let got = sf(n, d);
            let error = (got - expected).abs() / expected.max(1e-300);
            if error > 1e-6 {
                wrong.push(format!("n {n} d {d}: {got:e}, scipy {expected:e}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
