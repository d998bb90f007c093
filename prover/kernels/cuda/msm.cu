// Multi-scalar multiplication (Pippenger): commitments to rows of scalars.
//
// A scalar is cut into `windows` signed digits of c bits, |d| <= B = 2^(c-1). Point i of a row goes, with d's sign, into
// the bucket |d| of its window; digits that are zero go nowhere. All buckets of all windows of all rows are numbered,
//
//     bucket |d| - 1 + B * (window + windows * row),
//
// and what goes into them is sorted by bucket: counted, then scattered, in no certain order within a bucket, which a sum
// of points does not show. Sums are then taken over runs of equal length of what is sorted, so that a full bucket keeps
// no thread longer than an empty one. A bucket that lies within a run is done; the first and the last of a run are
// summed again with their neighbours', in a list a fraction as long, until one run is left.

#include "grid.cuh"
#include "xyzz.cuh"

namespace verinfer {

constexpr unsigned kNegative = 0x80000000;

// The last part that begins no later than i, of parts low to high - 1.
template <class Begin>
__device__ inline Index part_of(const Begin *begins, Index low, Index high, Index i) {
    while (high - low > 1) {
        const Index middle = (low + high) / 2;
        if (begins[middle] <= i) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

struct Windows {
    Index count, bits;
};

// Calls visit(window, |digit|, is_negative) for the digits other than zero of a number of at most 2^(bits * count - 1).
template <class Visit>
__device__ inline void for_digits(const Uint256 &magnitude, bool is_negative, const Windows &windows, Visit visit) {
    const Word mask = (Word{1} << windows.bits) - 1, half = Word{1} << (windows.bits - 1);
    Word carry = 0;
    for (Index window = 0; window < windows.count; ++window) {
        const Index bit = window * windows.bits, word = bit / 64, shift = bit % 64;
        Word digit = word < 4 ? magnitude.word[word] >> shift : 0;
        if (shift != 0 && word < 3) digit |= magnitude.word[word + 1] << (64 - shift);
        digit = (digit & mask) + carry;
        carry = digit > half;
        if (carry) digit = mask + 1 - digit;
        if (digit != 0) visit(window, digit, is_negative != static_cast<bool>(carry));
    }
}

template <class Visit>
__device__ inline void for_digits(std::int64_t value, const Windows &windows, Visit visit) {
    const Word bits = static_cast<Word>(value);
    if (value != 0) for_digits({{value < 0 ? 0 - bits : bits, 0, 0, 0}}, value < 0, windows, visit);
}

template <class Visit>
__device__ inline void for_digits(const Fr &value, const Windows &windows, Visit visit) {
    const Uint256 x = value.canonical(), negated = (-value).canonical();
    Uint256 difference = negated;
    const bool is_negative = subtract_from(difference, x) == 1;
    for_digits(is_negative ? negated : x, is_negative, windows, visit);
}

template <class Scalar>
__device__ inline void count_digits(const Scalar *scalars, const Index *starts, Index rows, const Windows &windows,
                                    unsigned *counts) {
    const Index end = starts[rows], first = starts[0];
    for (Index i = first + first_index(); i < end; i += stride()) {
        const Index base = part_of(starts, 0, rows, i) * windows.count;
        for_digits(scalars[i], windows, [&](Index window, Word digit, bool) {
            atomicAdd(&counts[((base + window) << (windows.bits - 1)) + digit - 1], 1u);
        });
    }
}

template <class Scalar>
__device__ inline void sort_digits(const Scalar *scalars, const Index *starts, Index rows, const Windows &windows,
                                   unsigned *next, unsigned *sorted) {
    const Index end = starts[rows], first = starts[0];
    for (Index i = first + first_index(); i < end; i += stride()) {
        const Index row = part_of(starts, 0, rows, i), base = row * windows.count;
        const unsigned point = static_cast<unsigned>(i - starts[row]);
        for_digits(scalars[i], windows, [&](Index window, Word digit, bool is_negative) {
            unsigned *bucket = &next[((base + window) << (windows.bits - 1)) + digit - 1];
            sorted[atomicAdd(bucket, 1u)] = point | (is_negative ? kNegative : 0);
        });
    }
}

// Takes the sums over runs. `key(i)` is the bucket of entry i and `add(sum, i)` adds it. The runs' first and last sums
// go to places 2 run and 2 run + 1 of `keys` and `sums`.
template <class Key, class Add>
__device__ inline void sum_run(Index begin, Index end, Index run, const Key &key, const Add &add, XyzzPoint *buckets,
                               unsigned *keys, XyzzPoint *sums) {
    XyzzPoint sum = XyzzPoint::infinity();
    unsigned bucket = key(begin);
    bool is_first = true;
    for (Index i = begin; i < end; ++i) {
        const unsigned next = key(i);
        if (next != bucket) {
            if (is_first) {
                keys[2 * run] = bucket;
                sums[2 * run] = sum;
            } else {
                buckets[bucket] = sum;
            }
            is_first = false;
            bucket = next;
            sum = XyzzPoint::infinity();
        }
        add(sum, i);
    }
    if (is_first) {
        keys[2 * run] = bucket;
        sums[2 * run] = XyzzPoint::infinity();
    }
    keys[2 * run + 1] = bucket;
    sums[2 * run + 1] = sum;
}

}  // namespace verinfer

using namespace verinfer;

// Sets *failed unless all points are on the curve. (0, 0), which stands for infinity, is not.
VERINFER_KERNEL check_points(const AffinePoint *points, Index n, unsigned *failed) {
    for (Index i = first_index(); i < n; i += stride()) {
        const AffinePoint p = points[i];
        if (!Fq::is_canonical(p.x.value) || !Fq::is_canonical(p.y.value) || !p.is_on_curve()) *failed = 1;
    }
}

#define VERINFER_SCALARS(NAME, TYPE)                                                                               \
    VERINFER_KERNEL count_digits_##NAME(const TYPE *scalars, const Index *starts, Index rows, Index windows,       \
                                        Index bits, unsigned *counts) {                                            \
        count_digits(scalars, starts, rows, Windows{windows, bits}, counts);                                       \
    }                                                                                                              \
    VERINFER_KERNEL sort_digits_##NAME(const TYPE *scalars, const Index *starts, Index rows, Index windows,        \
                                       Index bits, unsigned *next, unsigned *sorted) {                             \
        sort_digits(scalars, starts, rows, Windows{windows, bits}, next, sorted);                                  \
    }

VERINFER_SCALARS(int8, signed char)
VERINFER_SCALARS(int16, short)
VERINFER_SCALARS(int32, int)
VERINFER_SCALARS(int64, std::int64_t)
VERINFER_SCALARS(element, Fr)

// The first sums: of points, by the order of `sorted`, bucket b's being those from begins[b] to begins[b + 1] - 1.
VERINFER_KERNEL sum_points(const unsigned *sorted, const unsigned *begins, Index buckets_count, Index n, Index length,
                           const AffinePoint *points, XyzzPoint *buckets, unsigned *keys, XyzzPoint *sums) {
    const Index runs = (n + length - 1) / length;
    for (Index run = first_index(); run < runs; run += stride()) {
        const Index begin = run * length, end = begin + length < n ? begin + length : n;
        Index bucket = part_of(begins, 0, buckets_count, begin);
        const auto key = [&](Index i) {
            if (begins[bucket + 1] <= i) bucket = part_of(begins, bucket + 1, buckets_count, i);
            return static_cast<unsigned>(bucket);
        };
        const auto add = [&](XyzzPoint &sum, Index i) {
            const unsigned entry = sorted[i];
            AffinePoint point = points[entry & ~kNegative];
            if (entry & kNegative) point.y = -point.y;
            sum = sum + point;
        };
        sum_run(begin, end, run, key, add, buckets, keys, sums);
    }
}

// The next: of sums with their buckets.
VERINFER_KERNEL sum_sums(const unsigned *keys_in, const XyzzPoint *sums_in, Index n, Index length, XyzzPoint *buckets,
                         unsigned *keys, XyzzPoint *sums) {
    const Index runs = (n + length - 1) / length;
    for (Index run = first_index(); run < runs; run += stride()) {
        const Index begin = run * length, end = begin + length < n ? begin + length : n;
        const auto key = [&](Index i) { return keys_in[i]; };
        const auto add = [&](XyzzPoint &sum, Index i) { sum = sum + sums_in[i]; };
        sum_run(begin, end, run, key, add, buckets, keys, sums);
    }
}

// What is left of the one last run: its first and last bucket, which may be the same.
VERINFER_KERNEL sum_last(const unsigned *keys, const XyzzPoint *sums, XyzzPoint *buckets) {
    if (first_index() != 0) return;
    if (keys[0] == keys[1]) {
        buckets[keys[0]] = sums[0] + sums[1];
    } else {
        buckets[keys[0]] = sums[0];
        buckets[keys[1]] = sums[1];
    }
}

// The sum of (b + 1) * bucket b of the `count` buckets of a window: a block for each. A thread's part of them is
// sum_b (b - first + 1) * bucket b, by running sums from above, and first times their sum.
VERINFER_KERNEL weigh_buckets(const XyzzPoint *buckets, Index count, XyzzPoint *out) {
    const XyzzPoint *mine = buckets + blockIdx.x * count;
    const Index length = (count + kThreads - 1) / kThreads, first = threadIdx.x * length;
    XyzzPoint sum[1] = {XyzzPoint::infinity()};
    XyzzPoint running = XyzzPoint::infinity();
    for (Index b = first + length < count ? first + length : count; b > first;) {
        running = running + mine[--b];
        sum[0] = sum[0] + running;
    }
    XyzzPoint times = XyzzPoint::infinity();
    for (int bit = 32; bit-- > 0;) {
        times = doubled(times);
        if (first >> bit & 1) times = times + running;
    }
    sum[0] = sum[0] + times;
    sum_block(sum);
    if (threadIdx.x == 0) out[blockIdx.x] = sum[0];
}

// sum_w 2^(w bits) * sums[w] for each row, affine and canonical; zeros for infinity.
VERINFER_KERNEL join_windows(const XyzzPoint *sums, Index rows, Index windows, Index bits, Uint256 *out) {
    for (Index row = first_index(); row < rows; row += stride()) {
        XyzzPoint total = XyzzPoint::infinity();
        for (Index window = windows; window-- > 0;) {
            for (Index i = 0; i < bits; ++i) total = doubled(total);
            total = total + sums[row * windows + window];
        }
        const AffinePoint point = affine(total);
        out[2 * row] = point.x.canonical();
        out[2 * row + 1] = point.y.canonical();
    }
}
