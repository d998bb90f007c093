// The sumcheck that reduces a claim on level j + 1 of a fraction tree, at a point z, to level j: for
//
//     sum over x of eq(z, x) * G(x),   G = N0 * D1 + N1 * D0 + lambda * D0 * D1,   Nc(x) = N_j(2x + c), Dc alike.
//
// z[0] belongs to the most significant bit of x. Variables are bound from the least significant bit up. With the last
// coordinate of z still unbound split off, eq(z, x) = eq(z_rest, x_rest) * eq(z_last, X), a round states
//
//     t(X) = sum over x_rest of eq(z_rest, x_rest) * G(x_rest, X)
//
// by t(0) and its coefficient of X^2; the factor eq(z_last, X) and those of the variables bound before are left to the
// verifier (Gruen 2024, "Some improvements for the PIOP for ZeroCheck").

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "field.hpp"
#include "fraction_tree.hpp"

namespace verinfer {

class FractionLayer {
   public:
    using Round = std::array<Fr, 2>;  // t(0), and the coefficient of X^2

    // Drops the tree's levels above `level`. Throws std::invalid_argument if `point` has too few coordinates for the
    // level's nodes.
    FractionLayer(FractionTree &tree, std::size_t level, std::vector<Fr> point, const Fr &lambda);

    std::size_t variables_left() const { return point_.size() - (pending_ ? 1 : 0); }

    // All throw std::runtime_error where variables_left() does not allow them.
    //
    // Binding is put off to the next call: the round after it takes the same pass over memory.
    Round round();
    void bind(const Fr &r);
    std::array<Fr, 4> finish();  // N0, N1, D0, D1 at the bound point, when no variable is left

   private:
    // Values of the four factors for x = 0 .. size - 1, and for a dead x behind them where size is odd, after a
    // variable was bound. N1 is held as N1 + lambda * D1: then G = N0 * D1 + N1 * D0.
    //
    // Where all leaves have numerator 1, so have their combinations. They are kept only of blocks in which some do not:
    // block b is in place numerator_block[b], or has none where that is kUnits.
    struct Factors {
        std::size_t size;
        Fr *d0, *d1, *n0, *n1;
        std::vector<std::uint32_t> numerator_block;

        FractionPairs pairs(std::size_t begin) const;  // from x = begin to the end of its block
    };
    static constexpr std::uint32_t kUnits = UINT32_MAX;

    FractionLevel level_;
    std::vector<Fr> point_;  // the coordinates of the variables not yet bound, the pending one included
    std::optional<Fr> pending_;
    Fr lambda_, lambda_inverse_;
    std::size_t size_;  // how many x are not dead
    std::shared_ptr<FractionWorkspace> workspace_;
    std::size_t bound_ = 0;  // how many variables are bound
    Factors factors_{};      // if any is

    void bind_pending();
    Round bind_pending_and_sum();
    Factors place_bound() const;
    void bind_block(std::size_t block, const Fr &r, Factors &to, FractionScratch &scratch) const;
    void replace(Factors factors);
    bool units_suffice(std::size_t block, std::size_t size) const;
    FractionPairs read(std::size_t begin, std::size_t end, FractionScratch &scratch) const;
    FractionPairs read_for_round(std::size_t block, FractionScratch &scratch) const;
    template <class PairsOfBlock>
    Round sum_blocks(std::size_t variables, std::size_t size, const PairsOfBlock &pairs_of_block) const;
};

}  // namespace verinfer
