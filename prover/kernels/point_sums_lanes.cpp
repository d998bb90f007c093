#include "lanes.hpp"
#include "point_sums.hpp"

namespace verinfer::VERINFER_PATH {

namespace {

using Product = Lanes<Fq, 2>;
using Point = ProjectivePoint<Product>;

static_assert(sizeof(Product) <= kScratchPerGroup);

// A chain of products depends on itself, one after the other; several keep the processor busy.
constexpr std::size_t kChains = 4;

VERINFER_INLINE Lanes<Fq> x_of(const Fq *coordinates, const PointReference *references) {
    std::uint32_t rows[kLanes];
    VERINFER_UNROLL
    for (int i = 0; i < kLanes; ++i) rows[i] = references[i] & ~1u;
    return gather(coordinates, rows);
}

VERINFER_INLINE Product y_of(const Fq *coordinates, const PointReference *references) {
    std::uint32_t rows[kLanes];
    unsigned negative = 0;
    VERINFER_UNROLL
    for (int i = 0; i < kLanes; ++i) {
        rows[i] = references[i] | 1;
        negative |= (references[i] & 1) << i;
    }
    const Lanes<Fq> y = gather(coordinates, rows);
    if (negative == 0) return y;  // always, behind the first round
    return select(negative, broadcast(Fq::zero()) - y, y);
}

// The pairs of a last group that is not full, repeating the last one.
struct Tail {
    PointReference left[kLanes], right[kLanes];
    AffinePoint sums[kLanes];

    Tail(const PointReference *from_left, const PointReference *from_right, std::size_t count) {
        for (std::size_t i = 0; i < kLanes; ++i) {
            left[i] = from_left[i < count ? i : count - 1];
            right[i] = from_right[i < count ? i : count - 1];
        }
    }
};

// Turns each of eight products into its inverse; false if one of them is zero.
VERINFER_INLINE bool invert(Product &products) {
    Fq elements[kLanes], before[kLanes];
    store(elements, products);
    Fq product = Fq::one();
    for (int i = 0; i < kLanes; ++i) {
        before[i] = product;
        product = product * elements[i];
    }
    if (product.is_zero()) return false;
    Fq inverse = product.inverse();
    for (int i = kLanes; i-- > 0;) {
        before[i] = before[i] * inverse;
        inverse = inverse * elements[i];
    }
    products = load(before);
    return true;
}

VERINFER_INLINE bool invert(Product (&chains)[kChains]) {
    Product before[kChains], product = chains[0];
    for (std::size_t i = 1; i < kChains; ++i) {
        before[i] = product;
        product = product * chains[i];
    }
    if (!invert(product)) return false;
    for (std::size_t i = kChains; i-- > 1;) {
        const Product inverse = product * before[i];
        product = product * chains[i];
        chains[i] = inverse;
    }
    chains[0] = product;
    return true;
}

bool add_pairs(const AffinePoint *points, const PointReference *left, const PointReference *right, std::size_t count,
               AffinePoint *sums, std::byte *scratch) {
    if (count == 0) return true;
    constexpr std::size_t ahead = 6 * kLanes;
    const Fq *coordinates = &points->x;
    // Of the denominators before each group in its chain. What else the way back needs is loaded again: less memory is
    // faster than fewer instructions.
    Product *products = reinterpret_cast<Product *>(scratch);
    const std::size_t last = (count - 1) / kLanes * kLanes;  // where the last group begins
    Tail tail(left + last, right + last, count - last);
    Product chains[kChains];
    for (Product &chain : chains) chain = broadcast(Fq::one());
    for (std::size_t i = 0; i <= last; i += kLanes) {
        if (i + ahead < last) {
            for (std::size_t j = i + ahead; j < i + ahead + kLanes; ++j) {
                __builtin_prefetch(&points[left[j] / 2]);
                __builtin_prefetch(&points[right[j] / 2]);
            }
        }
        const Lanes<Fq> left_x = x_of(coordinates, i < last ? left + i : tail.left);
        const Product denominators = x_of(coordinates, i < last ? right + i : tail.right) - left_x;
        Product &chain = chains[i / kLanes % kChains];
        products[i / kLanes] = chain;
        chain = chain * denominators;
    }
    if (!invert(chains)) return false;
    for (std::size_t i = last + kLanes; i > 0;) {
        i -= kLanes;
        Product &chain = chains[i / kLanes % kChains];
        const Lanes<Fq> left_x = x_of(coordinates, i < last ? left + i : tail.left);
        const Product denominators = x_of(coordinates, i < last ? right + i : tail.right) - left_x;
        const Product inverses = chain * products[i / kLanes];
        chain = chain * denominators;
        const Product left_y = y_of(coordinates, i < last ? left + i : tail.left);
        const Product right_y = y_of(coordinates, i < last ? right + i : tail.right);
        const Product slope = (right_y - left_y) * inverses;
        const auto x = squared(slope) - (left_x + left_x + denominators);
        const auto y = slope * (left_x - x) - left_y;
        store_pairs(i < last ? &sums[i].x : &tail.sums[0].x, x, y);
    }
    for (std::size_t i = last; i < count; ++i) sums[i] = tail.sums[i - last];
    return true;
}

VERINFER_INLINE Point load_points(const ProjectivePoint<Fq> (&points)[kLanes]) {
    Fq x[kLanes], y[kLanes], z[kLanes];
    for (int i = 0; i < kLanes; ++i) {
        x[i] = points[i].x;
        y[i] = points[i].y;
        z[i] = points[i].z;
    }
    return {load(x), load(y), load(z)};
}

VERINFER_INLINE void store_points(ProjectivePoint<Fq> (&points)[kLanes], const Point &point) {
    Fq x[kLanes], y[kLanes], z[kLanes];
    store(x, point.x);
    store(y, point.y);
    store(z, point.z);
    for (int i = 0; i < kLanes; ++i) points[i] = {x[i], y[i], z[i]};
}

// The weighted sum of a row is the sum of the sums of all its tails.
void weighted_sums(const AffinePoint *points, std::size_t rows, std::size_t length, ProjectivePoint<Fq> *sums) {
    const Product zero = broadcast(Fq::zero()), one = broadcast(Fq::one());
    for (std::size_t first = 0; first < rows; first += kLanes) {
        const std::size_t lanes = rows - first < kLanes ? rows - first : kLanes;
        PointReference ends[kLanes];  // of the rows; lanes that are left over repeat the first
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            ends[lane] = static_cast<PointReference>(2 * (first + (lane < lanes ? lane : 0) + 1) * length);
        }
        Point tail{zero, one, zero}, total = tail;
        for (std::size_t i = length; i-- > 0;) {
            for (PointReference &end : ends) end -= 2;
            const Lanes<Fq> x = x_of(&points->x, ends);
            const Product y = y_of(&points->x, ends);
            const unsigned infinite = zeros(y);
            tail = tail + Point{x, select(infinite, one, y), select(infinite, zero, one)};
            total = total + tail;
        }
        ProjectivePoint<Fq> lane_sums[kLanes];
        store_points(lane_sums, total);
        for (std::size_t lane = 0; lane < lanes; ++lane) sums[first + lane] = lane_sums[lane];
    }
}

void horner(const HornerStep *steps, std::size_t count, ProjectivePoint<Fq> (&sums)[kLanes]) {
    Point total = load_points(steps[0].terms);
    for (std::size_t i = 1; i < count; ++i) {
        for (int bit = 0; bit < steps[i].doublings; ++bit) total = doubled(total);
        total = total + load_points(steps[i].terms);
    }
    store_points(sums, total);
}

}  // namespace

extern const PointSumKernels point_sum_kernels = {add_pairs, weighted_sums, horner};

}  // namespace verinfer::VERINFER_PATH
