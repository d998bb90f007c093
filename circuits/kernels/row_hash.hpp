// Keccak-256 of the rows of a table, as they are.

#pragma once

#include <cstddef>
#include <cstdint>

namespace verinfer {

// Writes the hashes of `count` rows (`bytes` bytes each, back to back) to `hashes` (32 bytes each).
void hash_rows(const std::uint8_t *rows, std::size_t count, std::size_t bytes, std::uint8_t *hashes);

}  // namespace verinfer
