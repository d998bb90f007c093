// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceConsumer} from "../../src/interfaces/IInferenceConsumer.sol";
import {IInferenceOracle} from "../../src/interfaces/IInferenceOracle.sol";
import {ClaimStatus} from "../../src/types/Claim.sol";

/// @notice What a consumer does when it is called.
enum Manner {
    NOTES, // what it was told
    REVERTS,
    BOMBS, // returns a megabyte
    REVERTS_BOMB, // reverts with a megabyte
    EATS, // all gas
    REENTERS // with the call that it was given
}

/// @notice A consumer of any manner, which asks and calls whatever it is told to.
contract Consumer is IInferenceConsumer {
    Manner public manner;
    bytes public call;

    uint256 public times;
    bytes32 public requestId;
    ClaimStatus public status;
    bytes public output;
    uint256 public gas;
    bool public success;
    bytes public answer;

    function set(Manner manner_, bytes calldata call_) external {
        (manner, call) = (manner_, call_);
    }

    function run(address to, bytes calldata data) external payable returns (bytes memory result) {
        bool done;
        (done, result) = to.call{value: msg.value}(data);
        if (!done) {
            assembly {
                revert(add(result, 32), mload(result))
            }
        }
    }

    function onInference(bytes32 requestId_, ClaimStatus status_, bytes calldata output_) external override {
        uint256 left = gasleft();
        if (manner == Manner.NOTES) {
            ++times;
            (requestId, status, output, gas) = (requestId_, status_, output_, left);
        } else if (manner == Manner.REVERTS) {
            revert("no");
        } else if (manner == Manner.BOMBS) {
            assembly {
                return(0, 1000000)
            }
        } else if (manner == Manner.REVERTS_BOMB) {
            assembly {
                revert(0, 1000000)
            }
        } else if (manner == Manner.EATS) {
            assembly {
                invalid()
            }
        } else {
            (success, answer) = msg.sender.call(call);
        }
    }

    receive() external payable {}
}
