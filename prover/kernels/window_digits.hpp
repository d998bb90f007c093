// Scalars cut into windows of signed digits.
//
// A scalar s of b bits is sum_w d_w * 2^(c w), with -2^(c-1) <= d_w < 2^(c-1) below the topmost window. No carries
// run from window to window: the digits are those of s + sum_w 2^(c-1) * 2^(c w), less 2^(c-1) each, so that every
// window can be had alone.

#pragma once

#include <cstddef>
#include <cstdint>

#include "field.hpp"
#include "memory.hpp"

namespace verinfer {

struct Windows {
    int bits = 1;               // c
    int count = 0;
    std::uint32_t largest = 0;  // no digit is larger, nor smaller than its negative

    // Of the fewest operations, for `count` scalars that are not zero and at most `largest_scalar`.
    static Windows choose(std::size_t count, const Uint256 &largest_scalar);

    // What has to be added to a scalar.
    Uint256 bias() const;
};

// The scalars of one sum.
class Scalars {
   public:
    virtual ~Scalars() = default;
    virtual std::size_t size() const = 0;
    virtual const Windows &windows() const = 0;
    // Writes the digits of the scalars begin..end-1.
    virtual void digits(int window, std::size_t begin, std::size_t end, std::int32_t *to) const = 0;
};

class FieldScalars : public Scalars {
   public:
    FieldScalars(const Fr *scalars, std::size_t count);
    std::size_t size() const override { return size_; }
    const Windows &windows() const override { return windows_; }
    void digits(int window, std::size_t begin, std::size_t end, std::int32_t *to) const override;

   private:
    std::size_t size_;
    Windows windows_;
    Buffer<Uint256> biased_;
};

template <class Integer>
class IntegerScalars : public Scalars {
   public:
    // Keeps the pointer.
    IntegerScalars(const Integer *scalars, std::size_t count);
    std::size_t size() const override { return size_; }
    const Windows &windows() const override { return windows_; }
    void digits(int window, std::size_t begin, std::size_t end, std::int32_t *to) const override;

   private:
    const Integer *scalars_;
    std::size_t size_;
    Windows windows_;
};

extern template class IntegerScalars<std::int8_t>;
extern template class IntegerScalars<std::int16_t>;
extern template class IntegerScalars<std::int32_t>;
extern template class IntegerScalars<std::int64_t>;

}  // namespace verinfer
