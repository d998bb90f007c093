// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC7992Verifier} from "../../src/interfaces/IERC7992Verifier.sol";
import {IHalo2Verifier} from "../../src/interfaces/IHalo2Verifier.sol";

/// @notice Stands where ezkl's generated verifier stands and accepts one proof of one list of public values.
contract OneProofVerifier is IHalo2Verifier {
    bytes32 private immutable EXPECTED;

    constructor(bytes memory proof, uint256[] memory instances) {
        EXPECTED = keccak256(abi.encode(proof, instances));
    }

    function verifyProof(bytes calldata proof, uint256[] calldata instances) external view returns (bool) {
        return keccak256(abi.encode(proof, instances)) == EXPECTED;
    }
}

/// @notice Returns the bytes that it was made with.
contract ReturningVerifier {
    bytes private _data;

    constructor(bytes memory data) {
        _data = data;
    }

    fallback(bytes calldata) external returns (bytes memory) {
        return _data;
    }
}

contract RevertingVerifier {
    error Reason(uint256 code);

    fallback() external {
        revert Reason(1);
    }
}

/// @notice Reverts with the word 1, which a caller that ignores the success flag takes for acceptance.
contract RevertingWithOneVerifier {
    fallback() external {
        assembly {
            mstore(0, 1)
            revert(0, 32)
        }
    }
}

/// @notice Returns a megabyte that begins with the word 1.
contract FloodingVerifier {
    fallback() external {
        assembly {
            mstore(0, 1)
            return(0, 1000000)
        }
    }
}

contract EndlessVerifier {
    fallback() external {
        while (true) {}
    }
}

/// @notice Accepts everything, after trying to keep a record of it.
contract WritingVerifier {
    uint256 private _calls;

    function verifyProof(bytes calldata, uint256[] calldata) external returns (bool) {
        ++_calls;
        return true;
    }
}

/// @notice Tries to have another inference verified, and its event recorded, in the middle of a check.
contract ReenteringVerifier {
    function verifyProof(bytes calldata proof, uint256[] calldata) external returns (bool) {
        (address target, uint256 modelId) = abi.decode(proof, (address, uint256));
        IERC7992Verifier(target).verifyInference(modelId, bytes32(0), "", "");
        return true;
    }
}
