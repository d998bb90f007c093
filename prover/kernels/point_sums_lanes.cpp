#include "lanes.hpp"
#include "point_sums.hpp"

namespace verinfer::VERINFER_PATH {

namespace {

using Product = Lanes<Fq, 2>;
using Point = ProjectivePoint<Product>;

// What the way forward leaves to the way back, for eight pairs.
struct Group {
    Product products;  // of the denominators before this one in its chain
    Product denominators;
    Lanes<Fq> left_x;
};
static_assert(sizeof(Group) <= kScratchPerGroup);

// A chain of products depends on itself, one after the other; several keep the processor busy.
constexpr std::size_t kChains = 4;

VERINFER_INLINE Lanes<Fq> x_of(const Fq *coordinates, const PointReference *references, int count) {
    std::uint32_t rows[kLanes] = {};
    for (int i = 0; i < count; ++i) rows[i] = references[i] & ~1u;
    return gather(coordinates, rows, count);
}

VERINFER_INLINE Product y_of(const Fq *coordinates, const PointReference *references, int count) {
    std::uint32_t rows[kLanes] = {};
    unsigned negative = 0;
    for (int i = 0; i < count; ++i) {
        rows[i] = references[i] | 1;
        negative |= (references[i] & 1) << i;
    }
    const Lanes<Fq> y = gather(coordinates, rows, count);
    return select(negative, broadcast(Fq::zero()) - y, y);
}

// Turns the chains' products into their inverses; false if one of them is zero.
VERINFER_INLINE bool invert(Product (&chains)[kChains]) {
    Fq elements[kChains * kLanes], products[kChains * kLanes];
    for (std::size_t i = 0; i < kChains; ++i) store(elements + i * kLanes, chains[i]);
    Fq product = Fq::one();
    for (std::size_t i = 0; i < kChains * kLanes; ++i) {
        products[i] = product;
        product = product * elements[i];
    }
    if (product.is_zero()) return false;
    Fq inverse = product.inverse();
    for (std::size_t i = kChains * kLanes; i-- > 0;) {
        products[i] = products[i] * inverse;
        inverse = inverse * elements[i];
    }
    for (std::size_t i = 0; i < kChains; ++i) chains[i] = load(products + i * kLanes);
    return true;
}

bool add_pairs(const AffinePoint *points, const PointReference *left, const PointReference *right, std::size_t count,
               AffinePoint *sums, std::byte *scratch) {
    const Fq *coordinates = &points->x;
    Group *groups = reinterpret_cast<Group *>(scratch);
    const std::size_t last = (count + kLanes - 1) / kLanes;
    Product chains[kChains];
    for (Product &chain : chains) chain = broadcast(Fq::one());
    for (std::size_t g = 0; g < last; ++g) {
        const int lanes = static_cast<int>(count - g * kLanes < kLanes ? count - g * kLanes : kLanes);
        const Lanes<Fq> left_x = x_of(coordinates, left + g * kLanes, lanes);
        const Lanes<Fq> right_x = x_of(coordinates, right + g * kLanes, lanes);
        const Product denominators = select((1u << lanes) - 1, right_x - left_x, broadcast(Fq::one()));
        groups[g] = {chains[g % kChains], denominators, left_x};
        chains[g % kChains] = chains[g % kChains] * denominators;
    }
    if (!invert(chains)) return false;
    for (std::size_t g = last; g-- > 0;) {
        const int lanes = static_cast<int>(count - g * kLanes < kLanes ? count - g * kLanes : kLanes);
        const Group &group = groups[g];
        const Product inverses = chains[g % kChains] * group.products;
        chains[g % kChains] = chains[g % kChains] * group.denominators;
        const Product left_y = y_of(coordinates, left + g * kLanes, lanes);
        const Product right_y = y_of(coordinates, right + g * kLanes, lanes);
        const Product slope = (right_y - left_y) * inverses;
        const auto x = squared(slope) - (group.left_x + group.left_x + group.denominators);
        const auto y = slope * (group.left_x - x) - left_y;
        if (lanes == kLanes) {
            store_pairs(&sums[g * kLanes].x, x, y);
        } else {
            Fq pairs[2 * kLanes];
            store_pairs(pairs, x, y);
            for (int i = 0; i < lanes; ++i) sums[g * kLanes + i] = {pairs[2 * i], pairs[2 * i + 1]};
        }
    }
    return true;
}

// The weighted sum of a row is the sum of the sums of all its tails.
void weighted_sums(const AffinePoint *points, std::size_t rows, std::size_t length, ProjectivePoint<Fq> *sums) {
    const Product zero = broadcast(Fq::zero()), one = broadcast(Fq::one());
    for (std::size_t first = 0; first < rows; first += kLanes) {
        const int lanes = static_cast<int>(rows - first < kLanes ? rows - first : kLanes);
        Point tail{zero, one, zero}, total = tail;
        for (std::size_t i = length; i-- > 0;) {
            std::uint32_t x_rows[kLanes], y_rows[kLanes];
            for (int lane = 0; lane < lanes; ++lane) {
                x_rows[lane] = static_cast<std::uint32_t>(2 * ((first + lane) * length + i));
                y_rows[lane] = x_rows[lane] + 1;
            }
            const Lanes<Fq> x = gather(&points->x, x_rows, lanes), y = gather(&points->x, y_rows, lanes);
            const unsigned infinite = zeros(y);
            tail = tail + Point{x, select(infinite, one, y), select(infinite, zero, one)};
            total = total + tail;
        }
        Fq x[kLanes], y[kLanes], z[kLanes];
        store(x, total.x);
        store(y, total.y);
        store(z, total.z);
        for (int lane = 0; lane < lanes; ++lane) sums[first + lane] = {x[lane], y[lane], z[lane]};
    }
}

}  // namespace

extern const PointSumKernels point_sum_kernels = {add_pairs, weighted_sums};

}  // namespace verinfer::VERINFER_PATH
