// Keccak-256 of many leaves, or of many pairs of nodes, of a Merkle tree.

#pragma once

#include <cstddef>
#include <cstdint>

namespace verinfer {

inline constexpr std::size_t kLeafBytes = 128;  // a leaf is hashed as 0x00 || 128 bytes
inline constexpr std::size_t kPairBytes = 64;   // an inner node as 0x01 || left || right
inline constexpr std::size_t kHashBytes = 32;

enum class InstructionSet { portable, avx2, avx512f };

// Whether this processor can run the code compiled for `set`.
bool supports(InstructionSet set);

// Writes the hashes of `count` leaves (128 bytes each, back to back) to `hashes` (32 bytes each), on up to
// `threads` threads, with the code compiled for `set`, which the processor must support.
void hash_leaves(const std::uint8_t *leaves, std::size_t count, std::uint8_t *hashes, InstructionSet set,
                 unsigned threads);

// The same for pairs of nodes (64 bytes each, back to back).
void hash_pairs(const std::uint8_t *pairs, std::size_t count, std::uint8_t *hashes, InstructionSet set,
                unsigned threads);

}  // namespace verinfer
