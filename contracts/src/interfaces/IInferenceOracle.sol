// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ClaimStatus} from "../types/Claim.sol";
import {ModelId} from "../types/ModelId.sol";
import {ProofSystem} from "../types/ProofSystem.sol";
import {IClaimTier} from "./IClaimTier.sol";

/// @notice Where a request stands. NONE: there is no such request. OPEN: anybody may answer, or be the one to do so.
/// LOCKED: one asserter is about to. ANSWERED: by a claim that is not known here to be resolved. DONE: the answer is
/// final. CANCELLED: the bounty went back.
enum RequestState {
    NONE,
    OPEN,
    LOCKED,
    ANSWERED,
    DONE,
    CANCELLED
}

/// @title Inferences on request
/// @notice A contract, the consumer, asks what a model says of an input, and puts a bounty on the answer. It chooses
/// how the answer is settled:
///
/// - by a proof (no tier): `fulfil`. The proof is made for whoever submits it, so nobody can take the bounty with a
///   copy. The answer is final at once.
/// - by a claim in one of the tiers: an asserter locks the request with the bond of its claim (`accept`), so nobody can
///   copy its answer; posts the claim (`answer`); and once the tier has resolved it, anybody carries the outcome here
///   (`conclude`). A request is never accepted when a claim on it might not be resolved by its deadline, and never
///   cancelled while it is locked or a claim on it is unresolved.
///
/// The bounty goes to who answered, when the answer is final. If there is none by the deadline it goes back to the
/// consumer. All money is fetched by `withdraw`, so a consumer needs a function that calls it.
///
/// Who accepts a request looks first whether it can answer: that the input is to be had and within its bounds, that the
/// tier takes claims with the request's window, and that it made no equal claim before (a claim is named by its
/// content: another bond, if by a wei, makes another claim). What it puts down is at stake from then on.
///
/// Invariants, each tested by its number:
///
///  1 Money is conserved: it is in credits, bounties of requests that are not over, or bonds of locked requests.
///  2 A bounty is paid once: to who gave the final answer, or back.
///  3 What a consumer does when it is called, or that it cannot be called, changes nothing for anybody else.
///  4 Nobody but the one who locked a request answers it.
///  5 A claim on a request can be resolved by the request's deadline.
///  6 Whoever makes the oracle call a consumer gives it the gas that the consumer asked for.
interface IInferenceOracle {
    /// @param answerTime For how long a request stays locked before it is answered, in seconds.
    /// @param minBond The lowest bond that locks a request, in wei, whatever the request says: locking must cost
    /// something.
    struct Parameters {
        uint32 answerTime;
        uint96 minBond;
    }

    /// @param modelId The model in the registry.
    /// @param input Root of the input tree; may be zero if the data is given.
    /// @param tier The tier of claims; zero for an answer by a proof.
    /// @param proofSystem Whose proofs answer, or settle the claim; zero if a claim is to be settled without any.
    /// @param minBond The lowest bond of the claim, in wei; 0 without a tier.
    /// @param window The window of the claim, in seconds; 0 without a tier.
    /// @param deadline By when there must be a final answer, in seconds since 1970.
    /// @param callbackGas Gas that the consumer is called with; 0 if it is not to be called.
    /// @param callbackOnProvisional Whether the consumer is called with an answer that can still fall, too.
    struct Request {
        ModelId modelId;
        bytes32 input;
        IClaimTier tier;
        ProofSystem proofSystem;
        uint96 minBond;
        uint32 window;
        uint40 deadline;
        uint32 callbackGas;
        bool callbackOnProvisional;
    }

    /// @notice A request and where it stands: what was asked, in the order in which it packs, and besides
    /// @param consumer Who asked.
    /// @param bounty What the answer is worth, in wei; zero once it is paid or gone back.
    /// @param state Where it stands.
    /// @param lockedUntil By when the asserter must answer, if the request is locked.
    /// @param asserter Who locked the request or answered it; zero if nobody did.
    /// @param bond What the asserter put down, in wei.
    /// @param claimId The claim that answers; zero if none does.
    /// @param outputHash keccak256 of the answer, packed; zero if there is none.
    struct RequestRecord {
        ModelId modelId;
        bytes32 input;
        IClaimTier tier;
        uint96 minBond;
        address consumer;
        uint96 bounty;
        ProofSystem proofSystem;
        uint32 window;
        uint40 deadline;
        uint32 callbackGas;
        bool callbackOnProvisional;
        RequestState state;
        uint40 lockedUntil;
        address asserter;
        uint96 bond;
        bytes32 claimId;
        bytes32 outputHash;
    }

    event InferenceRequested(
        bytes32 indexed requestId, ModelId indexed modelId, address indexed consumer, Request request, uint256 bounty
    );
    /// @notice Where the data behind the input root of a request can be read.
    event InputLocated(bytes32 indexed input, string uri);
    event RequestAccepted(bytes32 indexed requestId, address indexed asserter, uint256 bond, uint256 lockedUntil);
    /// @notice `penalty` of the bond went to the consumer, unless the request is open again because its claim was
    /// false.
    event RequestReopened(bytes32 indexed requestId, address indexed asserter, uint256 penalty);
    event RequestAnswered(bytes32 indexed requestId, bytes32 indexed claimId, address indexed asserter);
    /// @notice The final answer. `output` is empty where it was not needed here; the tier's event has it.
    event RequestDone(bytes32 indexed requestId, address indexed asserter, bytes32 outputHash, bytes output);
    event RequestCancelled(bytes32 indexed requestId, uint256 bounty);
    /// @notice The consumer was called; whether the call went through.
    event ConsumerCalled(bytes32 indexed requestId, ClaimStatus status, bool success);

    error RegistryMismatch(address expected, address actual);
    error UnknownTier(address tier);
    error WrongInput(bytes32 expected, bytes32 actual);
    error TooMuchCallbackGas(uint256 maximum, uint256 actual);
    error NotInThisState(bytes32 requestId, RequestState state);
    error NotByProof(bytes32 requestId);
    error NotByClaim(bytes32 requestId);
    error DeadlineTooSoon(uint256 earliest, uint256 deadline);
    error BondTooLow(uint256 minimum, uint256 actual);
    error NotTheAsserter(address asserter);
    error AnswerTooLate(uint256 lockedUntil);
    error LockNotOver(uint256 lockedUntil);
    error ClaimNotResolved(bytes32 claimId);
    error WrongOutputHash(bytes32 expected, bytes32 actual);
    error NotYet(uint256 deadline);

    /// @notice Asks for an inference. The value sent is the bounty.
    /// @param inputData The inputs, packed, at most 64 KiB; or empty, if the consumer vouches for the root. Nobody
    /// answers about a root whose data nobody can obtain.
    /// @param uri Where the data can be read, if it is not given here.
    /// @return requestId The request's name: a hash of the consumer, a number that it has for this request only, and
    /// all that was asked.
    function request(Request calldata request_, bytes calldata inputData, string calldata uri)
        external
        payable
        returns (bytes32 requestId);

    /// @notice Answers a request by a proof made for the caller, who gets the bounty.
    /// @param output The outputs, packed.
    /// @param proof The four bytes of the proof system and the tier's own bytes, a proof for the caller.
    function fulfil(bytes32 requestId, bytes calldata output, bytes calldata proof) external;

    /// @notice Locks a request for the caller, who must answer before `answerTime` is over. The value sent will be the
    /// bond of the claim. A lock that is over gives way.
    function accept(bytes32 requestId) external payable;

    /// @notice Answers a request that the caller locked: posts the claim in the request's tier, with this contract as
    /// its source and the caller as its asserter.
    /// @param output The outputs, packed.
    /// @param trace Root of the Merkle tree over the trace; zero if the tier wants none.
    function answer(bytes32 requestId, bytes calldata output, bytes32 trace) external returns (bytes32 claimId);

    /// @notice Opens a request again whose asserter did not answer in time. An eighth of its bond goes to the consumer,
    /// the rest back to the asserter.
    function reopen(bytes32 requestId) external;

    /// @notice Takes note that the claim on a request is resolved. If it is final, its asserter gets the bounty; if it
    /// was revoked, the request is open again.
    /// @param output The outputs, packed, for the consumer; may be empty if the consumer is not called, or the claim
    /// was revoked.
    function conclude(bytes32 requestId, bytes calldata output) external;

    /// @notice Gives the bounty of an open request back. Anybody may, once no answer can be in time any more. Before
    /// that the consumer may, if claims answer the request: nobody has anything at stake before it is locked. A request
    /// for a proof stands until its deadline, since somebody may be proving.
    function cancel(bytes32 requestId) external;

    /// @notice What is known of the answer, whether or not the outcome of its claim was carried here already.
    /// @return status NONE if there is no answer.
    /// @return outputHash keccak256 of the answer, packed.
    /// @return claimId The claim; zero if a proof answered.
    function resultOf(bytes32 requestId) external view returns (ClaimStatus status, bytes32 outputHash, bytes32 claimId);

    /// @notice The status of `output` as the answer to a request; NONE if it is not the answer.
    function statusOfOutput(bytes32 requestId, bytes calldata output) external view returns (ClaimStatus);

    /// @notice A request and where it stands.
    function requestOf(bytes32 requestId) external view returns (RequestRecord memory);

    /// @notice Whether requests may name a tier.
    function isTier(IClaimTier tier) external view returns (bool);

    /// @notice How many requests a consumer has made.
    function requestCountOf(address consumer) external view returns (uint256);

    /// @notice What was fixed when the oracle was deployed.
    function parameters() external view returns (Parameters memory);
}
