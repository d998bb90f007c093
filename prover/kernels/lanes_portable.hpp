// The interface of lanes.hpp without vectors, always fully reduced.

#pragma once

namespace verinfer::VERINFER_PATH {

template <class F, int Bound = 1>
struct Lanes {
    static_assert(Bound >= 1 && Bound <= kMaxBound);
    F lane[kLanes];

    Lanes() = default;

    template <int Smaller>
    VERINFER_INLINE Lanes(const Lanes<F, Smaller> &other) {
        static_assert(Smaller <= Bound);
        for (int i = 0; i < kLanes; ++i) lane[i] = other.lane[i];
    }
};

template <class F>
VERINFER_INLINE Lanes<F> load(const F *from, int count = kLanes) {
    Lanes<F> x;
    for (int i = 0; i < kLanes; ++i) x.lane[i] = i < count ? from[i] : F::zero();
    return x;
}

template <class F>
VERINFER_INLINE Lanes<F, 6> load_integers(const F *from) {
    Lanes<F, 6> x;
    for (int i = 0; i < kLanes; ++i) {
        x.lane[i] = from[i];
        while (!F::is_canonical(x.lane[i].value)) x.lane[i].value = F::reduced_once(x.lane[i].value);
    }
    return x;
}

template <class F, int Bound>
VERINFER_INLINE void store(F *to, int count, const Lanes<F, Bound> &x) {
    for (int i = 0; i < count; ++i) to[i] = x.lane[i];
}

template <class F, int Bound>
VERINFER_INLINE void store(F *to, const Lanes<F, Bound> &x) {
    store(to, kLanes, x);
}

template <class F>
VERINFER_INLINE Lanes<F> gather(const F *table, const std::uint32_t *rows, int count = kLanes) {
    Lanes<F> x;
    for (int i = 0; i < kLanes; ++i) x.lane[i] = i < count ? table[rows[i]] : F::zero();
    return x;
}

template <class F>
VERINFER_INLINE void load_pairs(const F *from, Lanes<F> &even, Lanes<F> &odd) {
    for (int i = 0; i < kLanes; ++i) {
        even.lane[i] = from[2 * i];
        odd.lane[i] = from[2 * i + 1];
    }
}

template <class F, int A, int B>
VERINFER_INLINE void store_pairs(F *to, const Lanes<F, A> &even, const Lanes<F, B> &odd) {
    for (int i = 0; i < kLanes; ++i) {
        to[2 * i] = even.lane[i];
        to[2 * i + 1] = odd.lane[i];
    }
}

template <class F>
VERINFER_INLINE Lanes<F> broadcast(const F &x) {
    Lanes<F> result;
    for (int i = 0; i < kLanes; ++i) result.lane[i] = x;
    return result;
}

template <class F, int A, int B>
VERINFER_INLINE Lanes<F, A + B> operator+(const Lanes<F, A> &a, const Lanes<F, B> &b) {
    Lanes<F, A + B> sum;
    for (int i = 0; i < kLanes; ++i) sum.lane[i] = a.lane[i] + b.lane[i];
    return sum;
}

template <class F, int A, int B>
VERINFER_INLINE Lanes<F, A + B> operator-(const Lanes<F, A> &a, const Lanes<F, B> &b) {
    Lanes<F, A + B> difference;
    for (int i = 0; i < kLanes; ++i) difference.lane[i] = a.lane[i] - b.lane[i];
    return difference;
}

template <class F, int A>
VERINFER_INLINE Lanes<F, 2 * A> doubled(const Lanes<F, A> &a) {
    return a + a;
}

template <class F, int A, int B>
VERINFER_INLINE Lanes<F, 2> operator*(const Lanes<F, A> &a, const Lanes<F, B> &b) {
    static_assert(A * B <= kMaxBound);
    Lanes<F, 2> product;
    for (int i = 0; i < kLanes; ++i) product.lane[i] = a.lane[i] * b.lane[i];
    return product;
}

template <class F, int A>
VERINFER_INLINE Lanes<F, 2> squared(const Lanes<F, A> &a) {
    return a * a;
}

template <class F, int A, int B, int C, int D>
VERINFER_INLINE Lanes<F, 2> dot(const Lanes<F, A> &a, const Lanes<F, B> &b, const Lanes<F, C> &c,
                                const Lanes<F, D> &d) {
    static_assert(A * B + C * D <= kMaxBound);
    Lanes<F, 2> result;
    for (int i = 0; i < kLanes; ++i) result.lane[i] = a.lane[i] * b.lane[i] + c.lane[i] * d.lane[i];
    return result;
}

template <class F, int A>
VERINFER_INLINE Lanes<F> reduced(const Lanes<F, A> &a) {
    Lanes<F> result;
    for (int i = 0; i < kLanes; ++i) result.lane[i] = a.lane[i];
    return result;
}

template <class F, int A>
VERINFER_INLINE unsigned zeros(const Lanes<F, A> &a) {
    unsigned mask = 0;
    for (int i = 0; i < kLanes; ++i) mask |= static_cast<unsigned>(a.lane[i].is_zero()) << i;
    return mask;
}

template <class F, int A, int B>
VERINFER_INLINE Lanes<F, (A > B ? A : B)> select(unsigned mask, const Lanes<F, A> &a, const Lanes<F, B> &b) {
    Lanes<F, (A > B ? A : B)> result;
    for (int i = 0; i < kLanes; ++i) result.lane[i] = mask >> i & 1 ? a.lane[i] : b.lane[i];
    return result;
}

template <class F, int A>
VERINFER_INLINE F sum(const Lanes<F, A> &a) {
    F total = a.lane[0];
    for (int i = 1; i < kLanes; ++i) total += a.lane[i];
    return total;
}

template <class F>
class Products {
   public:
    template <int A, int B>
    VERINFER_INLINE void add(const Lanes<F, A> &a, const Lanes<F, B> &b) {
        for (int i = 0; i < kLanes; ++i) sum_.lane[i] += a.lane[i] * b.lane[i];
    }
    VERINFER_INLINE Lanes<F> lanes() const { return sum_; }
    VERINFER_INLINE F total() const { return sum(sum_); }

   private:
    Lanes<F> sum_ = broadcast(F::zero());
};

}  // namespace verinfer::VERINFER_PATH
