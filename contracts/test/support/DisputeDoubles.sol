// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceVerifier} from "../../src/interfaces/IInferenceVerifier.sol";
import {IOneStep, Trees} from "../../src/interfaces/IOneStep.sol";
import {ITierVerifier} from "../../src/interfaces/ITierVerifier.sol";
import {ModelId} from "../../src/types/ModelId.sol";
import {ProofSystem} from "../../src/types/ProofSystem.sol";

/// @notice Answers what the operands say, if it was asked what they say.
contract DictatedOneStep is IOneStep {
    function recompute(bytes calldata record, uint256 cell, Trees calldata trees, bytes calldata operands)
        external
        pure
        override
        returns (bool exists, int256 value)
    {
        bytes32 question;
        (question, exists, value) = abi.decode(operands, (bytes32, bool, int256));
        if (question != questionOf(record, cell, trees)) revert OpeningMalformed();
    }

    function questionOf(bytes memory record, uint256 cell, Trees memory trees) public pure returns (bytes32) {
        return keccak256(abi.encode(record, cell, trees));
    }
}

/// @notice Accepts one statement with one proof.
contract OneProofInferenceVerifier is IInferenceVerifier {
    bytes32 private _expected;

    error Refused();

    function expect(ModelId modelId, bytes32 input, bytes calldata output, bytes calldata proof) external {
        _expected = keccak256(abi.encode(modelId, input, output, proof, address(0)));
    }

    function checkInferenceFor(
        ModelId modelId,
        bytes32 input,
        bytes calldata output,
        bytes calldata proof,
        address recipient
    ) external view override {
        if (keccak256(abi.encode(modelId, input, output, proof, recipient)) != _expected) {
            revert Refused();
        }
    }

    function checkInference(ModelId, bytes32, bytes calldata, bytes calldata) external pure override {
        revert Refused();
    }

    function verifyInferenceFor(ModelId, bytes32, bytes calldata, bytes calldata, address) external pure override {
        revert Refused();
    }

    function inputCommitment(ModelId, int256[] calldata) external pure override returns (bytes32) {
        revert Refused();
    }

    function tierVerifier(ProofSystem) external pure override returns (ITierVerifier) {
        return ITierVerifier(address(0));
    }
}

/// @notice Calls on behalf of whoever asks, and takes no payment unless it is told to.
contract Puppet {
    bool public takes;

    error Unwanted();

    function setTakes(bool takes_) external {
        takes = takes_;
    }

    /// @notice Calls `target`, reverting with its error.
    function act(address target, uint256 value, bytes memory data) public payable {
        (bool done, bytes memory result) = target.call{value: value}(data);
        if (done) return;
        assembly ("memory-safe") {
            revert(add(result, 32), mload(result))
        }
    }

    receive() external payable {
        if (!takes) revert Unwanted();
    }
}
