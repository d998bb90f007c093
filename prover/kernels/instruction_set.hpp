// Which of the compiled instruction sets the kernels use: the fastest that this processor has, or the one chosen.
//
// The files named *_lanes.cpp are compiled once for each instruction set, each time into its own namespace, and hand
// their functions over as a table:
//
//     // folding.hpp                                       // folding_lanes.cpp
//     struct FoldingKernels {                              namespace verinfer::VERINFER_PATH {
//         void (*fold)(const Fr *, std::size_t, Fr *);     namespace { void fold(...) { ... Lanes<Fr> ... } }
//     };                                                   const FoldingKernels folding_kernels = {fold};
//     VERINFER_PATHS(FoldingKernels, folding_kernels)      }
//
// After which folding_kernels().fold(...) calls the one in force. A function that is not inlined and that two such
// compilations share would be kept by the linker in either form, also where the processor lacks its instructions:
// therefore a *_lanes.cpp uses no standard containers and algorithms, only loops over memory that others own.

#pragma once

namespace verinfer {

enum class InstructionSet { portable, avx512f, avx512ifma };

// Whether this processor, and this build, have it.
bool supports(InstructionSet set);

// The one in force, for all threads.
InstructionSet instruction_set();
void set_instruction_set(InstructionSet set);
InstructionSet fastest_instruction_set();

// Whether the processor multiplies bytes in vectors (AVX-512 VNNI), and the one in force uses vectors at all.
bool multiplies_bytes();

}  // namespace verinfer

#if defined(__x86_64__)
#define VERINFER_PATHS(Table, name)                                       \
    namespace portable {                                                  \
    extern const Table name;                                              \
    }                                                                     \
    namespace avx512f {                                                   \
    extern const Table name;                                              \
    }                                                                     \
    namespace avx512ifma {                                                \
    extern const Table name;                                              \
    }                                                                     \
    inline const Table &name() {                                          \
        switch (instruction_set()) {                                      \
            case InstructionSet::avx512ifma:                              \
                return avx512ifma::name;                                  \
            case InstructionSet::avx512f:                                 \
                return avx512f::name;                                     \
            default:                                                      \
                return portable::name;                                    \
        }                                                                 \
    }
#else
#define VERINFER_PATHS(Table, name)                                       \
    namespace portable {                                                  \
    extern const Table name;                                              \
    }                                                                     \
    inline const Table &name() { return portable::name; }
#endif
