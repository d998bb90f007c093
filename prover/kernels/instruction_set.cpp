#include "instruction_set.hpp"

#include <atomic>

namespace verinfer {

namespace {

std::atomic<InstructionSet> in_force = fastest_instruction_set();

}  // namespace

bool supports(InstructionSet set) {
#if defined(__x86_64__)
    const bool avx512f = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (set == InstructionSet::avx512f) return avx512f;
    if (set == InstructionSet::avx512ifma) return avx512f && __builtin_cpu_supports("avx512ifma");
#endif
    return set == InstructionSet::portable;
}

InstructionSet fastest_instruction_set() {
    for (const InstructionSet set : {InstructionSet::avx512ifma, InstructionSet::avx512f}) {
        if (supports(set)) return set;
    }
    return InstructionSet::portable;
}

InstructionSet instruction_set() { return in_force.load(std::memory_order_relaxed); }

void set_instruction_set(InstructionSet set) { in_force.store(set, std::memory_order_relaxed); }

bool multiplies_bytes() {
#if defined(__x86_64__)
    return instruction_set() != InstructionSet::portable && __builtin_cpu_supports("avx512vnni");
#else
    return false;
#endif
}

}  // namespace verinfer
