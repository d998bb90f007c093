// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC7992Verifier} from "../interfaces/IERC7992Verifier.sol";
import {ITierVerifier, Statement} from "../interfaces/ITierVerifier.sol";
import {Bounds} from "../libraries/Bounds.sol";
import {CircuitHeader} from "../libraries/CircuitHeader.sol";
import {InputTree} from "../libraries/InputTree.sol";
import {PackedInputs} from "../libraries/PackedInputs.sol";
import {ScalarField} from "../libraries/ScalarField.sol";
import {SignedWords} from "../libraries/SignedWords.sol";
import {Machine} from "../sumcheck/Machine.sol";
import {Program, ProgramLibrary} from "../sumcheck/Program.sol";
import {ProgramStore} from "../sumcheck/ProgramStore.sol";
import {Transcript} from "../sumcheck/Transcript.sol";
import {CircuitId} from "../types/CircuitId.sol";
import {ProofSystem} from "../types/ProofSystem.sol";
import {TierKey} from "../types/TierKey.sol";

/// @title The sumcheck tier: sumchecks and HyperKZG over BN254
/// @notice One contract checks the proofs of all models. What is particular to a model is a program, compiled from its
/// verifying key: the registration names the account that holds it, or its first part. A proof is
///
///   the addresses of the program's other parts, a word each | the inputs, packed | the argument, words
///
/// and of one length, which the program and the circuit's header fix.
///
/// The field cannot tell x from x + R, and a program knows neither bounds nor signs. So this contract takes integers,
/// checks them against the bounds of the circuit, and only then embeds them.
contract SumcheckTier is ITierVerifier, ProgramStore {
    using CircuitHeader for bytes;

    ProofSystem private constant PROOF_SYSTEM =
        ProofSystem.wrap(bytes4(keccak256("verinfer-sumcheck-hyperkzg-bn254-v1")));

    error WrongProofLength(uint256 expected, uint256 actual);

    /// @inheritdoc ITierVerifier
    function proofSystem() external pure override returns (ProofSystem) {
        return PROOF_SYSTEM;
    }

    /// @inheritdoc ITierVerifier
    /// @dev The machine addresses memory absolutely. Solidity's own objects are put where nothing is until the argument
    /// comes: behind the public values.
    function verify(Statement calldata statement, TierKey calldata key, bytes calldata proof) external view override {
        Program program = ProgramLibrary.read(key.verifier);
        uint256 values = program.values();
        uint256 heap = values + 32 * program.valueCount();
        assembly {
            mstore(0x40, heap)
        }
        bytes memory header = statement.header;
        _requireLength(program, header, proof.length);
        uint256 names = program.load(key.verifier, proof);
        _embed(program, header, statement, proof[names:]);
        _begin(program, header, statement, key.keyHash);

        // The argument is the end of the proof. It may take the place of what Solidity had in memory.
        uint256 first = program.proof();
        uint256 size = 32 * program.proofCount();
        assembly {
            calldatacopy(first, sub(add(proof.offset, proof.length), size), size)
        }
        Machine.run(program.code());
    }

    function _requireLength(Program program, bytes memory header, uint256 actual) private pure {
        uint256 words = program.parts() - 1 + program.proofCount();
        uint256 expected = 32 * words + InputTree.packedLength(header);
        if (actual != expected) revert WrongProofLength(expected, actual);
    }

    /// @dev Checks the inputs, at the head of `packed`, and the outputs, and puts them where the program expects the
    /// public values.
    function _embed(Program program, bytes memory header, Statement calldata statement, bytes calldata packed)
        private
        pure
    {
        if (InputTree.commitmentOfPacked(header, packed) != statement.inputCommitment) {
            revert IERC7992Verifier.InputCommitmentMismatch();
        }
        int256[] calldata outputs = SignedWords.decode(statement.output);
        Bounds.requireOutputs(header, outputs);
        uint256 inputCount = header.elementsOf(0, header.inputCount());
        Bounds.requireCount(inputCount + outputs.length, program.valueCount());
        PackedInputs.embed(header, packed, program.values());
        ScalarField.embedAt(outputs, program.values() + 32 * inputCount);
    }

    /// @dev Has the transcript absorb all that is public: the names of what the statement is about; the number of
    /// samples, one; and for each port its values.
    function _begin(Program program, bytes memory header, Statement calldata statement, bytes32 keyHash) private pure {
        Transcript.begin();
        uint256[4] memory names;
        uint256 first;
        uint256 srs = program.srs();
        assembly ("memory-safe") {
            first := names
            mstore(names, mload(srs))
        }
        names[1] = uint256(CircuitId.unwrap(statement.circuitId));
        names[2] = uint256(keyHash);
        names[3] = uint160(statement.recipient);
        Transcript.absorb(first, 4);
        names[0] = 1;
        Transcript.absorb(first, 1);
        uint256 next = program.values();
        uint256 ports = header.inputCount() + header.outputCount();
        for (uint256 i = 0; i < ports; ++i) {
            uint256 elements = header.port(i).elements();
            Transcript.absorb(next, elements);
            next += 32 * elements;
        }
    }
}
