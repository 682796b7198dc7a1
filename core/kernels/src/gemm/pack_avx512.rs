//! Packing in AVX-512: rounding, interleaving and transposing while copying.

#![expect(unsafe_code, reason = "AVX-512 intrinsics on rows of known length")]

use std::{arch::x86_64::*, ops::Range};

use super::layout::{BLOCK, Operand, PANEL, Packing, ROW_STRIDE, Rows, TILE_ROWS};

/// Words in one register.
const LANES: usize = 16;

/// See [`super::block::pack_left`].
///
/// # Safety
/// The machine has these features, and `into` is as long as the layout says.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")]
pub(super) unsafe fn pack_left(
    packing: Packing,
    a: &Operand<'_>,
    rows: Range<usize>,
    k: Range<usize>,
    into: &mut [u32],
) {
    // SAFETY: the caller's promise.
    unsafe {
        match (a, packing) {
            (Operand::KInner(a), Packing::F32) => left_rows::<false>(a, rows, k, into),
            (Operand::KInner(a), Packing::Bf16) => left_rows::<true>(a, rows, k, into),
            (Operand::KOuter(a), Packing::F32) => left_columns::<false>(a, rows, k, into),
            (Operand::KOuter(a), Packing::Bf16) => left_columns::<true>(a, rows, k, into),
            (_, Packing::Int8) => unreachable!("int8 operands are packed with their scales"),
        }
    }
}

/// See [`super::block::pack_right`].
///
/// # Safety
/// As [`pack_left`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")]
pub(super) unsafe fn pack_right(
    packing: Packing,
    b: &Operand<'_>,
    columns: Range<usize>,
    k: Range<usize>,
    into: &mut [u32],
) {
    // SAFETY: the caller's promise.
    unsafe {
        match (b, packing) {
            (Operand::KInner(b), Packing::F32) => right_rows::<false>(b, columns, k, into),
            (Operand::KInner(b), Packing::Bf16) => right_rows::<true>(b, columns, k, into),
            (Operand::KOuter(b), Packing::F32) => right_columns::<false>(b, columns, k, into),
            (Operand::KOuter(b), Packing::Bf16) => right_columns::<true>(b, columns, k, into),
            (_, Packing::Int8) => unreachable!("int8 operands are packed with their scales"),
        }
    }
}

/// See [`super::quantise::pack`].
///
/// # Safety
/// The machine has these features, and `into` holds a word for every four numbers.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")]
pub(super) unsafe fn pack_integers(
    row: &[f32],
    inverse: f32,
    offset: i32,
    into: &mut [u32],
) -> i32 {
    let into = into.as_mut_ptr().cast::<i8>();
    let (factor, offset) = (_mm512_set1_ps(inverse), _mm512_set1_epi32(offset));
    let (least, most) = (_mm512_set1_epi32(-127), _mm512_set1_epi32(127));
    let mut sums = _mm512_setzero_si512();
    for start in (0..row.len()).step_by(LANES) {
        let left = row.len() - start;
        let lanes: __mmask16 = if left >= LANES { !0 } else { (1 << left) - 1 };
        // SAFETY: masked to the row.
        let xs = unsafe { _mm512_maskz_loadu_ps(lanes, row.as_ptr().add(start)) };
        let whole = _mm512_cvtps_epi32(_mm512_mul_ps(xs, factor));
        let whole = _mm512_max_epi32(least, _mm512_min_epi32(most, whole));
        sums = _mm512_add_epi32(sums, whole);
        let bytes = _mm512_maskz_cvtepi32_epi8(lanes, _mm512_add_epi32(whole, offset));
        let words = left.next_multiple_of(4);
        let filled: __mmask16 = if words >= LANES { !0 } else { (1 << words) - 1 };
        // SAFETY: masked to the words that the row takes.
        unsafe { _mm_mask_storeu_epi8(into.add(start), filled, bytes) };
    }
    _mm512_reduce_add_epi32(sums)
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")]
unsafe fn left_rows<const BF16: bool>(
    a: &Rows<'_>,
    rows: Range<usize>,
    k: Range<usize>,
    into: &mut [u32],
) {
    for (i, words) in rows.clone().zip(into.chunks_mut(ROW_STRIDE)) {
        let row = &a.row(i)[k.clone()];
        let ahead = &a.row((i + 4).min(rows.end - 1))[k.clone()];
        for (step, word) in (0..row.len()).step_by(per_register::<BF16>()).zip((0..).step_by(LANES))
        {
            prefetch::<2>(&ahead[step..], 0);
            // SAFETY: `word` is below `BLOCK`, a multiple of the register.
            unsafe {
                let packed = load_words::<BF16>(&row[step..]);
                _mm512_storeu_si512(words.as_mut_ptr().add(word).cast(), packed);
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")]
unsafe fn left_columns<const BF16: bool>(
    a: &Rows<'_>,
    rows: Range<usize>,
    k: Range<usize>,
    into: &mut [u32],
) {
    for (word, k) in steps::<BF16>(k).enumerate() {
        let pair = pair::<BF16>(a, k, &rows);
        for start in (0..rows.len()).step_by(TILE_ROWS) {
            let width = lanes(TILE_ROWS.min(rows.len() - start));
            let place = &mut into[start * BLOCK + word * TILE_ROWS..][..TILE_ROWS];
            // SAFETY: masked to the rows that there are, and to the run's place.
            unsafe {
                let packed = join_words::<BF16>(&pair, start, width);
                _mm512_mask_storeu_epi32(place.as_mut_ptr().cast(), lanes(TILE_ROWS), packed);
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")]
unsafe fn right_columns<const BF16: bool>(
    b: &Rows<'_>,
    columns: Range<usize>,
    k: Range<usize>,
    into: &mut [u32],
) {
    let words = k.len().div_ceil(if BF16 { 2 } else { 1 });
    for (word, k) in steps::<BF16>(k).enumerate() {
        let pair = pair::<BF16>(b, k, &columns);
        for start in (0..columns.len()).step_by(LANES) {
            let width = lanes(columns.len() - start);
            let panel = start / PANEL * PANEL * words;
            let place = &mut into[panel + word * PANEL + start % PANEL..][..LANES];
            // SAFETY: masked to the columns that there are; the place is one register long.
            unsafe {
                let packed = join_words::<BF16>(&pair, start, width);
                _mm512_storeu_si512(place.as_mut_ptr().cast(), packed);
            }
        }
        if (1..=LANES).contains(&(columns.len() % PANEL)) {
            let panel = columns.len() / PANEL * PANEL * words;
            into[panel + word * PANEL + LANES..][..LANES].fill(0);
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")]
unsafe fn right_rows<const BF16: bool>(
    b: &Rows<'_>,
    columns: Range<usize>,
    k: Range<usize>,
    into: &mut [u32],
) {
    let words = k.len().div_ceil(if BF16 { 2 } else { 1 });
    if words == 0 {
        return;
    }
    let halves = columns.clone().step_by(PANEL).flat_map(|start| [start, start + LANES]);
    for (half, start) in halves.enumerate() {
        let panel = &mut into[half / 2 * PANEL * words..][..PANEL * words];
        let rows = start.min(columns.end)..(start + LANES).min(columns.end);
        let mut whole = 0;
        if let Some(first) = b.run(&rows).filter(|_| rows.len() == LANES) {
            whole = k.len() / per_register::<BF16>() * LANES;
            // SAFETY: so many words are in each of the sixteen rows.
            unsafe { squares::<BF16>(&first[k.start..], b.distance(1), whole, half % 2, panel) };
        }
        for word in (whole..words).step_by(LANES) {
            let mut square = [_mm512_setzero_si512(); LANES];
            for (place, row) in square.iter_mut().zip(rows.clone()) {
                let row = &b.row(row)[k.start + word * per_register::<BF16>() / LANES..k.end];
                // SAFETY: masked to the row's length.
                *place = unsafe { load_words::<BF16>(row) };
            }
            transpose(&mut square);
            store_square(&square, panel, word, half % 2);
        }
    }
}

/// Packs whole squares of sixteen rows, `stride` apart from `first` on, into half of a panel.
///
/// # Safety
/// The rows have `words` words each.
#[expect(clippy::needless_range_loop, reason = "constant trip counts, unrolled into registers")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")]
unsafe fn squares<const BF16: bool>(
    first: &[f32],
    stride: usize,
    words: usize,
    half: usize,
    panel: &mut [u32],
) {
    assert!(panel.len() >= words * PANEL);
    let panel = panel.as_mut_ptr().wrapping_add(half * LANES);
    let length = words * per_register::<BF16>() / LANES;
    for word in (0..words).step_by(LANES) {
        let start = first.as_ptr().wrapping_add(word * per_register::<BF16>() / LANES);
        let mut square = [_mm512_setzero_si512(); LANES];
        // The next sixteen rows are fetched in the order in which they lie: as much as these have given.
        let given = word * per_register::<BF16>();
        let ahead = (LANES + given / length) * stride + given % length;
        let ahead = first.as_ptr().wrapping_add(ahead);
        for i in 0..LANES {
            let row = start.wrapping_add(i * stride);
            _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(i * LANES).cast());
            if BF16 {
                _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add((LANES + i) * LANES).cast());
            }
            // SAFETY: the caller's promise.
            square[i] = unsafe { load_whole::<BF16>(row) };
        }
        transpose(&mut square);
        for i in 0..LANES {
            let place = panel.wrapping_add((word + i) * PANEL);
            // SAFETY: the panel is long enough, as was checked.
            unsafe { _mm512_storeu_si512(place.cast(), square[i]) };
        }
    }
}

/// Stores the columns of a square into half of a panel, from `word` on, as far as it goes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")]
fn store_square(square: &[__m512i; LANES], panel: &mut [u32], word: usize, half: usize) {
    let places = panel[word * PANEL..].chunks_exact_mut(PANEL);
    for (place, column) in places.zip(square) {
        let place = &mut place[half * LANES..][..LANES];
        // SAFETY: the place is one register long.
        unsafe { _mm512_storeu_si512(place.as_mut_ptr().cast(), *column) };
    }
}

/// A register of words from `row` on.
///
/// # Safety
/// The row is so long.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")]
unsafe fn load_whole<const BF16: bool>(row: *const f32) -> __m512i {
    // SAFETY: the caller's promise.
    unsafe {
        let first = _mm512_loadu_ps(row);
        if !BF16 {
            return _mm512_castps_si512(first);
        }
        let second = _mm512_loadu_ps(row.wrapping_add(LANES));
        std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first))
    }
}

/// Elements that fill a register of words.
const fn per_register<const BF16: bool>() -> usize {
    if BF16 { 2 * LANES } else { LANES }
}

/// The steps of `K` that a word begins with.
fn steps<const BF16: bool>(k: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let per_word = if BF16 { 2 } else { 1 };
    k.clone().step_by(per_word).map(move |first| first..(first + per_word).min(k.end))
}

/// The rows of `source` that the steps `k` name; the second is empty where there is none.
fn pair<'a, const BF16: bool>(
    source: &Rows<'a>,
    k: Range<usize>,
    part: &Range<usize>,
) -> [&'a [f32]; 2] {
    for ahead in k.start + AHEAD..k.end + AHEAD {
        if let Some(row) = source.get(ahead) {
            row[part.clone()].chunks(LANES).for_each(|line| prefetch::<1>(line, 0));
        }
    }
    let second = if k.len() > 1 { &source.row(k.start + 1)[part.clone()] } else { &[] };
    [&source.row(k.start)[part.clone()], second]
}

/// Up to a register of words from the beginning of `row`, zeros after its end.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")]
unsafe fn load_words<const BF16: bool>(row: &[f32]) -> __m512i {
    let start = row.as_ptr();
    // SAFETY: masked to the row's length.
    unsafe {
        let first = _mm512_maskz_loadu_ps(lanes(row.len()), start);
        if !BF16 {
            return _mm512_castps_si512(first);
        }
        let rest = lanes(row.len().saturating_sub(LANES));
        let second = _mm512_maskz_loadu_ps(rest, start.wrapping_add(LANES));
        std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first))
    }
}

/// Words of the columns from `start` on, joined from the two rows of a pair.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")]
unsafe fn join_words<const BF16: bool>(
    pair: &[&[f32]; 2],
    start: usize,
    width: __mmask16,
) -> __m512i {
    // SAFETY: `width` ends where the first row does; the second is as long, or absent.
    unsafe {
        let first = _mm512_maskz_loadu_ps(width, pair[0].as_ptr().wrapping_add(start));
        if !BF16 {
            return _mm512_castps_si512(first);
        }
        let width = if pair[1].is_empty() { 0 } else { width };
        let second = _mm512_maskz_loadu_ps(width, pair[1].as_ptr().wrapping_add(start));
        let halves = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first));
        _mm512_permutexvar_epi16(interleave(), halves)
    }
}

/// Lane `2i` from lane `i`, lane `2i + 1` from lane `16 + i`.
#[inline]
#[target_feature(enable = "avx512f")]
fn interleave() -> __m512i {
    const ORDER: [i16; 32] = {
        let mut order = [0; 32];
        let mut i = 0;
        while i < 32 {
            order[i] = (i / 2 + 16 * (i % 2)) as i16;
            i += 1;
        }
        order
    };
    // SAFETY: 32 words of 16 bits fill a register.
    unsafe { _mm512_loadu_si512(ORDER.as_ptr().cast()) }
}

/// Rows between the one that is packed and the one that is fetched, where rows are read across.
const AHEAD: usize = 8;

/// Fetches the cache lines `distance` elements after the beginning of `row`: rows are read in parts
/// too short for the machine to see where they go on.
#[inline(always)]
fn prefetch<const LINES: usize>(row: &[f32], distance: usize) {
    for line in 0..LINES {
        let place = row.as_ptr().wrapping_add(distance + line * LANES);
        // SAFETY: a hint, which any address may be given to.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) };
    }
}

/// A mask of the first `count` lanes.
#[inline(always)]
fn lanes(count: usize) -> __mmask16 {
    if count >= LANES { !0 } else { (1 << count) - 1 }
}

/// Swaps rows and columns of a square of words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")]
fn transpose(x: &mut [__m512i; LANES]) {
    let mut y = *x;
    for i in 0..8 {
        y[2 * i] = _mm512_unpacklo_epi32(x[2 * i], x[2 * i + 1]);
        y[2 * i + 1] = _mm512_unpackhi_epi32(x[2 * i], x[2 * i + 1]);
    }
    for i in 0..4 {
        x[4 * i] = _mm512_unpacklo_epi64(y[4 * i], y[4 * i + 2]);
        x[4 * i + 1] = _mm512_unpackhi_epi64(y[4 * i], y[4 * i + 2]);
        x[4 * i + 2] = _mm512_unpacklo_epi64(y[4 * i + 1], y[4 * i + 3]);
        x[4 * i + 3] = _mm512_unpackhi_epi64(y[4 * i + 1], y[4 * i + 3]);
    }
    // Now x[4i + j] holds, in its 128-bit part p, column 4p + j of rows 4i..4i + 4.
    for j in 0..4 {
        let low = _mm512_shuffle_i32x4::<0x88>(x[j], x[4 + j]); // parts 0 2 | 0 2
        let high = _mm512_shuffle_i32x4::<0xdd>(x[j], x[4 + j]); // parts 1 3 | 1 3
        let low2 = _mm512_shuffle_i32x4::<0x88>(x[8 + j], x[12 + j]);
        let high2 = _mm512_shuffle_i32x4::<0xdd>(x[8 + j], x[12 + j]);
        y[j] = _mm512_shuffle_i32x4::<0x88>(low, low2); // column j
        y[8 + j] = _mm512_shuffle_i32x4::<0xdd>(low, low2);
        y[4 + j] = _mm512_shuffle_i32x4::<0x88>(high, high2);
        y[12 + j] = _mm512_shuffle_i32x4::<0xdd>(high, high2);
    }
    *x = y;
}
