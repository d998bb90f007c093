// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC7992Verifier} from "../interfaces/IERC7992Verifier.sol";
import {ITierVerifier, Statement} from "../interfaces/ITierVerifier.sol";
import {Bounds} from "../libraries/Bounds.sol";
import {CircuitHeader} from "../libraries/CircuitHeader.sol";
import {CommittedInputs} from "../libraries/CommittedInputs.sol";
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
///   the addresses of the program's other parts, a word each | what names the inputs | the argument, words
///
/// and of one length, which the program and the circuit's header fix.
///
/// The inputs are named by themselves, packed, or, where the program says that they are committed, by the root of their
/// tree and by commitments that the argument opens. Either way they are the ones that the input commitment names.
///
/// The field cannot tell x from x + R, and a program knows neither bounds nor signs. So this contract takes integers,
/// checks them against the bounds of the circuit, and only then embeds them. Of committed inputs it sees none; the
/// argument itself shows that they are integers within their bounds.
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
        _load(program, header, statement, proof[names:]);
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
        uint256 inputs = program.inputs();
        uint256 expected = 32 * words;
        expected += inputs == 0 ? InputTree.packedLength(header) : CommittedInputs.length(inputs);
        if (actual != expected) revert WrongProofLength(expected, actual);
    }

    /// @dev Checks what names the inputs, at the head of `named`, and the outputs, and puts them where the program expects
    /// the public values.
    function _load(Program program, bytes memory header, Statement calldata statement, bytes calldata named)
        private
        pure
    {
        int256[] calldata outputs = SignedWords.decode(statement.output);
        Bounds.requireOutputs(header, outputs);
        uint256 values = program.values();
        uint256 words = program.inputs();
        bool committed = words != 0;
        if (!committed) words = header.elementsOf(0, header.inputCount());
        // Nothing is written before it is known that there is room for it.
        Bounds.requireCount(words + outputs.length, program.valueCount());
        bytes32 commitment =
            committed ? CommittedInputs.load(named, words, values) : InputTree.commitmentOfPacked(header, named);
        if (commitment != statement.inputCommitment) revert IERC7992Verifier.InputCommitmentMismatch();
        if (!committed) PackedInputs.embed(header, named, values);
        ScalarField.embedAt(outputs, values + 32 * words);
    }

    /// @dev Has the transcript absorb all that is public: the names of what the statement is about; the number of
    /// samples, one; the input commitment, if the inputs are committed; and the values of each port that has its values
    /// among the public ones. The input commitment stands for the points that it is made from.
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
        uint256 committed = program.inputs();
        uint256 next = program.values() + 32 * committed;
        uint256 i = 0;
        if (committed != 0) {
            names[0] = uint256(statement.inputCommitment);
            Transcript.absorb(first, 1);
            i = header.inputCount();
        }
        for (uint256 ports = header.inputCount() + header.outputCount(); i < ports; ++i) {
            uint256 elements = header.port(i).elements();
            Transcript.absorb(next, elements);
            next += 32 * elements;
        }
    }
}
