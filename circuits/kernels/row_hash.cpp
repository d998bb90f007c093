// Rows are few and short, the outputs of a batch: what is saved is a call of Python's for each, not arithmetic.

#include "row_hash.hpp"

#include <bit>
#include <cstring>

#include "keccak.hpp"
#include "merkle_hash.hpp"

namespace verinfer {
namespace {

static_assert(std::endian::native == std::endian::little, "Keccak's lanes are little-endian words");

constexpr std::size_t kRateBytes = 8 * kRateWords;

void absorb(std::uint64_t *state, const std::uint8_t *block) {
    for (int i = 0; i < kRateWords; ++i) {
        std::uint64_t word;
        std::memcpy(&word, block + 8 * i, 8);
        state[i] ^= word;
    }
    keccak_f1600(state);
}

}  // namespace

void hash_rows(const std::uint8_t *rows, std::size_t count, std::size_t bytes, std::uint8_t *hashes) {
    for (std::size_t row = 0; row < count; ++row, rows += bytes, hashes += kHashBytes) {
        std::uint64_t state[25] = {};
        std::size_t start = 0;
        for (; start + kRateBytes <= bytes; start += kRateBytes) absorb(state, rows + start);
        std::uint8_t last[kRateBytes] = {};
        if (start < bytes) std::memcpy(last, rows + start, bytes - start);
        last[bytes - start] = 0x01;  // Keccak's padding, not SHA-3's 0x06
        last[kRateBytes - 1] |= 0x80;
        absorb(state, last);
        std::memcpy(hashes, state, kHashBytes);
    }
}

}  // namespace verinfer
