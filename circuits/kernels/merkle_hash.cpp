// A leaf or a pair of nodes, its prefix and the padding (Keccak's 0x01 ... 0x80, not SHA-3's 0x06) fit one
// block of Keccak-256, 136 bytes: one permutation a hash. 8 (AVX-512) or 4 (AVX2) are computed side by side.

#include "merkle_hash.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <thread>
#include <vector>

#include "keccak.hpp"

namespace verinfer {
namespace {

static_assert(std::endian::native == std::endian::little, "Keccak's lanes are little-endian words");

using u64 = std::uint64_t;
typedef u64 u64x4 __attribute__((vector_size(32)));
typedef u64 u64x8 __attribute__((vector_size(64)));

constexpr std::size_t kHashWords = kHashBytes / 8;

// Hashes sizeof(Lane) / 8 messages of `Bytes` bytes, back to back, each behind the byte `Prefix`.
template <class Lane, std::size_t Bytes, unsigned Prefix>
inline __attribute__((always_inline)) void hash_side_by_side(const std::uint8_t *messages,
                                                             std::uint8_t *hashes) {
    constexpr std::size_t lanes = sizeof(Lane) / sizeof(u64);
    constexpr std::size_t last = Bytes / 8;  // the word of the last byte, all being shifted by the prefix
    static_assert(Bytes % 8 == 0 && last < kRateWords);

    alignas(64) u64 words[25][lanes] = {};
    for (std::size_t lane = 0; lane < lanes; ++lane) {
        const std::uint8_t *message = messages + lane * Bytes;
        u64 word;
        std::memcpy(&word, message, 8);
        words[0][lane] = (word << 8) | Prefix;
        for (std::size_t i = 1; i < last; ++i) {
            std::memcpy(&word, message + 8 * i - 1, 8);
            words[i][lane] = word;
        }
        words[last][lane] = message[Bytes - 1] | (0x01u << 8);
        words[kRateWords - 1][lane] |= u64{0x80} << 56;
    }
    Lane state[25];
    std::memcpy(state, words, sizeof state);
    keccak_f1600(state);
    u64 digest[kHashWords][lanes];
    std::memcpy(digest, state, sizeof digest);
    for (std::size_t lane = 0; lane < lanes; ++lane) {
        for (std::size_t i = 0; i < kHashWords; ++i) {
            std::memcpy(hashes + lane * kHashBytes + 8 * i, &digest[i][lane], 8);
        }
    }
}

template <std::size_t Bytes, unsigned Prefix>
void hash_portable(const std::uint8_t *messages, std::size_t count, std::uint8_t *hashes) {
    for (std::size_t i = 0; i < count; ++i) {
        hash_side_by_side<u64, Bytes, Prefix>(messages + i * Bytes, hashes + i * kHashBytes);
    }
}

#if defined(__x86_64__)

template <std::size_t Bytes, unsigned Prefix>
__attribute__((target("avx2"))) void hash_avx2(const std::uint8_t *messages, std::size_t count,
                                               std::uint8_t *hashes) {
    std::size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        hash_side_by_side<u64x4, Bytes, Prefix>(messages + i * Bytes, hashes + i * kHashBytes);
    }
    hash_portable<Bytes, Prefix>(messages + i * Bytes, count - i, hashes + i * kHashBytes);
}

template <std::size_t Bytes, unsigned Prefix>
__attribute__((target("avx512f"))) void hash_avx512(const std::uint8_t *messages, std::size_t count,
                                                    std::uint8_t *hashes) {
    std::size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        hash_side_by_side<u64x8, Bytes, Prefix>(messages + i * Bytes, hashes + i * kHashBytes);
    }
    hash_portable<Bytes, Prefix>(messages + i * Bytes, count - i, hashes + i * kHashBytes);
}

#endif

template <std::size_t Bytes, unsigned Prefix>
void hash_range(const std::uint8_t *messages, std::size_t count, std::uint8_t *hashes, InstructionSet set) {
    switch (set) {
#if defined(__x86_64__)
        case InstructionSet::avx512f:
            return hash_avx512<Bytes, Prefix>(messages, count, hashes);
        case InstructionSet::avx2:
            return hash_avx2<Bytes, Prefix>(messages, count, hashes);
#endif
        default:
            return hash_portable<Bytes, Prefix>(messages, count, hashes);
    }
}

template <std::size_t Bytes, unsigned Prefix>
void hash_all(const std::uint8_t *messages, std::size_t count, std::uint8_t *hashes, InstructionSet set,
              unsigned threads) {
    constexpr std::size_t worth_a_thread = 4096;  // half a millisecond, many times the cost of a thread
    const std::size_t workers = std::clamp<std::size_t>(count / worth_a_thread, 1, std::max(threads, 1u));
    const std::size_t share = count / workers / 8 * 8;  // whole groups of 8: only the last share has a tail
    const auto hash_share = [=](std::size_t worker) {
        const std::size_t first = worker * share;
        const std::size_t size = worker + 1 == workers ? count - first : share;
        hash_range<Bytes, Prefix>(messages + first * Bytes, size, hashes + first * kHashBytes, set);
    };
    std::vector<std::jthread> others;
    for (std::size_t worker = 1; worker < workers; ++worker) others.emplace_back(hash_share, worker);
    hash_share(0);
}

}  // namespace

bool supports(InstructionSet set) {
    switch (set) {
#if defined(__x86_64__)
        case InstructionSet::avx512f:
            return __builtin_cpu_supports("avx512f");
        case InstructionSet::avx2:
            return __builtin_cpu_supports("avx2");
#endif
        default:
            return set == InstructionSet::portable;
    }
}

void hash_leaves(const std::uint8_t *leaves, std::size_t count, std::uint8_t *hashes, InstructionSet set,
                 unsigned threads) {
    hash_all<kLeafBytes, 0x00>(leaves, count, hashes, set, threads);
}

void hash_pairs(const std::uint8_t *pairs, std::size_t count, std::uint8_t *hashes, InstructionSet set,
                unsigned threads) {
    hash_all<kPairBytes, 0x01>(pairs, count, hashes, set, threads);
}

}  // namespace verinfer
