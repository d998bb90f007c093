// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IClaimTier} from "../interfaces/IClaimTier.sol";
import {IERC7992Verifier} from "../interfaces/IERC7992Verifier.sol";
import {IInferenceVerifier} from "../interfaces/IInferenceVerifier.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {ISampledTier, Lot} from "../interfaces/ISampledTier.sol";
import {BlockMix} from "../libraries/BlockMix.sol";
import {CodeStore} from "../libraries/CodeStore.sol";
import {InputTree} from "../libraries/InputTree.sol";
import {PackedOutputs} from "../libraries/PackedOutputs.sol";
import {ProofBytes} from "../libraries/ProofBytes.sol";
import {Claim, ClaimStatus} from "../types/Claim.sol";
import {ModelId} from "../types/ModelId.sol";
import {ProofSystem} from "../types/ProofSystem.sol";
import {CreditLedger} from "./CreditLedger.sol";
import {Posting} from "./Posting.sol";

/// @title Claims settled by proofs, a random share of them
/// @dev Everything called from here is called statically, so nothing can come back while a function runs.
contract SampledTier is ISampledTier, CreditLedger {
    uint256 private constant MAX_INPUT_BYTES = 64 * 1024;

    /// @dev With one block less, the proposer of the claim's block would know the lot.
    uint256 private constant MIN_LOOKAHEAD = 2;

    IModelRegistry public immutable REGISTRY;
    IInferenceVerifier public immutable VERIFIER;
    uint96 private immutable MIN_BOND;
    uint32 private immutable MIN_WINDOW;
    uint32 private immutable PROOF_WINDOW;
    uint16 private immutable SHARE;
    uint8 private immutable LOOKAHEAD;

    /// @inheritdoc ISampledTier
    mapping(address asserter => mapping(address source => bool)) public override sourceAllowed;

    /// @inheritdoc ISampledTier
    mapping(bytes32 claimId => address) public override payerOf;

    mapping(bytes32 claimId => ClaimState) private _claims;
    mapping(bytes32 key => Enrolment) private _enrolments;

    /// @dev A model never changes. Its header is copied from the registry with the first enrolment, so that no claim
    /// needs the whole registration.
    mapping(ModelId => address) private _headers;

    constructor(IModelRegistry registry, IInferenceVerifier verifier, Parameters memory parameters_) {
        address looksIn = IERC7992Verifier(address(verifier)).registry();
        if (looksIn != address(registry)) revert RegistryMismatch(address(registry), looksIn);
        if (parameters_.share == 0) revert ShareZero();
        if (parameters_.lookahead < MIN_LOOKAHEAD) revert LookaheadTooShort(MIN_LOOKAHEAD, parameters_.lookahead);
        (REGISTRY, VERIFIER) = (registry, verifier);
        (MIN_BOND, MIN_WINDOW) = (parameters_.minBond, parameters_.minWindow);
        (PROOF_WINDOW, SHARE, LOOKAHEAD) = (parameters_.proofWindow, parameters_.share, parameters_.lookahead);
    }

    /// @inheritdoc ISampledTier
    function enrol(
        ModelId modelId,
        ProofSystem system,
        uint32 capacity,
        uint96 price,
        bytes32 input,
        bytes calldata output,
        bytes calldata proof
    ) external override {
        if (capacity == 0) revert CapacityZero();
        ProofBytes.requireSystem(proof, system);
        (,, bytes memory header) = REGISTRY.resolve(modelId, system);
        // What a contract cannot compute the root of, no proof can be checked against.
        uint256 inputBytes = InputTree.packedLength(header);
        if (inputBytes > MAX_INPUT_BYTES) revert InputsTooLarge(MAX_INPUT_BYTES, inputBytes);
        PackedOutputs.requireLength(header, output);
        VERIFIER.checkInferenceFor(modelId, input, PackedOutputs.toWords(header, output), proof, msg.sender);

        if (_headers[modelId] == address(0)) _headers[modelId] = CodeStore.write(header);
        Enrolment storage enrolment = _enrolments[_key(msg.sender, modelId, system)];
        (enrolment.capacity, enrolment.price) = (capacity, price);
        enrolment.outputLength = SafeCast.toUint32(output.length);
        emit Enrolled(modelId, msg.sender, system, capacity, price);
    }

    /// @inheritdoc ISampledTier
    function allowSource(address source, bool allowed) external override {
        sourceAllowed[msg.sender][source] = allowed;
        emit SourceAllowed(msg.sender, source, allowed);
    }

    /// @inheritdoc IClaimTier
    function claim(Claim calldata claim_, bytes calldata output, bytes calldata input)
        external
        payable
        override
        returns (bytes32 claimId)
    {
        Posting.requireOwn(claim_);
        // The root of the data itself. Under a key with committed inputs, proofs name inputs by a digest of the root
        // and of commitments to the values, and nothing shows that both are of one input: an asserter could put the
        // root of these data beside commitments to others. Such a proof never fits the plain root, and that is as it
        // should be.
        Posting.requireInput(claim_, _header(claim_), input);
        emit InputPosted(claim_.input, input);
        return _post(claim_, output);
    }

    /// @inheritdoc IClaimTier
    function claimFor(Claim calldata claim_, bytes calldata output)
        external
        payable
        override
        returns (bytes32 claimId)
    {
        Posting.requireVouched(claim_);
        if (!sourceAllowed[claim_.asserter][msg.sender]) revert SourceNotAllowed(claim_.asserter, msg.sender);
        return _post(claim_, output);
    }

    /// @inheritdoc ISampledTier
    function draw(bytes32 claimId, bytes calldata header) external override {
        ClaimState storage state = _provisional(claimId);
        if (state.lot != Lot.OPEN) revert AlreadyDrawn(claimId);
        if (block.timestamp >= state.deadline) revert WindowOver(state.deadline);
        uint256 posted = state.postedBlock;
        uint256 beacon = posted + LOOKAHEAD;
        if (block.number <= beacon) revert DrawTooEarly(beacon + 1);
        bytes32 postedHash = blockhash(posted);
        if (postedHash == bytes32(0)) revert DrawTooLate(claimId);
        if (keccak256(header) != blockhash(beacon)) revert WrongHeader(blockhash(beacon), keccak256(header));
        // Claims of one block have lots of their own. Nothing here that can be chosen may be of a block later than the
        // claim's: its proposer could know the mix, and choose.
        bytes32 lot = keccak256(abi.encode(claimId, BlockMix.prevRandao(header), postedHash));
        bool selected = uint256(lot) & type(uint16).max < SHARE;
        state.lot = selected ? Lot.SELECTED : Lot.SPARED;
        emit LotDrawn(claimId, selected);
    }

    /// @inheritdoc ISampledTier
    function demand(Claim calldata claim_) external payable override {
        bytes32 claimId = claim_.id();
        ClaimState storage state = _provisional(claimId);
        if (block.timestamp >= state.deadline) revert WindowOver(state.deadline);
        if (state.demanded) revert AlreadyDemanded(claimId);
        // The proof is due already, for nothing.
        if (state.lot == Lot.SELECTED) revert ProofDue(claimId, _due(state));
        if (msg.value != state.price) revert WrongPrice(state.price, msg.value);
        state.demanded = true;
        payerOf[claimId] = msg.sender;
        emit ProofDemanded(claimId, msg.sender, msg.value);
    }

    /// @inheritdoc ISampledTier
    function settle(Claim calldata claim_, bytes calldata output, bytes calldata proof) external override {
        bytes32 claimId = claim_.id();
        ClaimState storage state = _provisional(claimId);
        if (_mustBeProved(state) && block.timestamp >= _due(state)) revert ProofTooLate(_due(state));
        Posting.requireOutput(claim_, output);
        ProofBytes.requireSystem(proof, claim_.settledBy);

        uint256 fee = state.demanded ? state.price : 0;
        _resolve(claim_, claimId, ClaimStatus.FINAL);
        _credit(claim_.asserter, claim_.bond + fee);
        emit ClaimFinal(claimId);

        bytes memory words = PackedOutputs.toWords(_header(claim_), output);
        VERIFIER.checkInferenceFor(claim_.modelId, claim_.input, words, proof, address(0));
    }

    /// @inheritdoc ISampledTier
    function expire(Claim calldata claim_) external override {
        bytes32 claimId = claim_.id();
        ClaimState storage state = _provisional(claimId);
        if (!_mustBeProved(state)) revert ProofNotDue(claimId);
        if (block.timestamp < _due(state)) revert ClaimPending(claimId, _due(state));

        (bool demanded, uint256 price) = (state.demanded, state.price);
        _resolve(claim_, claimId, ClaimStatus.REVOKED);
        // The other half stays: a liar that is quick to expire its own claim does not get everything back.
        address winner = msg.sender;
        if (demanded) {
            winner = payerOf[claimId];
            _credit(winner, price);
        }
        _credit(winner, claim_.bond / 2);
        emit ClaimRevoked(claimId, winner);
    }

    /// @inheritdoc IClaimTier
    function finalise(Claim calldata claim_) external override {
        bytes32 claimId = claim_.id();
        ClaimState storage state = _provisional(claimId);
        if (block.timestamp < state.deadline) revert ClaimPending(claimId, state.deadline);
        if (_mustBeProved(state)) revert ProofDue(claimId, _due(state));
        _resolve(claim_, claimId, ClaimStatus.FINAL);
        _credit(claim_.asserter, claim_.bond);
        emit ClaimFinal(claimId);
    }

    /// @inheritdoc IClaimTier
    function claimIdOf(Claim calldata claim_) external view override returns (bytes32) {
        return claim_.id();
    }

    /// @inheritdoc IClaimTier
    function statusOf(bytes32 claimId) external view override returns (ClaimStatus) {
        return _claims[claimId].status;
    }

    /// @inheritdoc IClaimTier
    function longest(ModelId, uint32 window) external view override returns (uint256) {
        return uint256(window) + PROOF_WINDOW;
    }

    /// @inheritdoc ISampledTier
    function claimOf(bytes32 claimId) external view override returns (ClaimState memory) {
        return _claims[claimId];
    }

    /// @inheritdoc ISampledTier
    function enrolmentOf(address asserter, ModelId modelId, ProofSystem system)
        external
        view
        override
        returns (Enrolment memory)
    {
        return _enrolments[_key(asserter, modelId, system)];
    }

    /// @inheritdoc ISampledTier
    function parameters() external view override returns (Parameters memory) {
        return Parameters(MIN_BOND, MIN_WINDOW, PROOF_WINDOW, SHARE, LOOKAHEAD);
    }

    /// @dev The enrolment says all that there is to know of the model here, so that the registry need not be asked.
    function _post(Claim calldata claim_, bytes calldata output) private returns (bytes32 claimId) {
        if (claim_.trace != bytes32(0)) revert TraceNotZero(claim_.trace);
        Posting.requireTerms(claim_, MIN_BOND, MIN_WINDOW);
        Posting.requireOutput(claim_, output);
        claimId = claim_.id();
        if (_claims[claimId].status != ClaimStatus.NONE) revert ClaimExists(claimId);

        Enrolment storage enrolment = _enrolments[_key(claim_.asserter, claim_.modelId, claim_.settledBy)];
        Enrolment memory said = enrolment;
        if (said.capacity == 0) revert NotEnrolled(claim_.modelId, claim_.asserter, claim_.settledBy);
        if (said.outstanding >= said.capacity) revert CapacityExhausted(said.capacity);
        if (output.length != said.outputLength) revert WrongOutputLength(said.outputLength, output.length);
        enrolment.outstanding = said.outstanding + 1;
        _claims[claimId] = ClaimState({
            status: ClaimStatus.PROVISIONAL,
            lot: Lot.OPEN,
            demanded: false,
            deadline: SafeCast.toUint40(block.timestamp + claim_.window),
            postedBlock: SafeCast.toUint48(block.number),
            price: said.price
        });
        emit ClaimPosted(claimId, claim_.modelId, claim_.asserter, claim_, output);
    }

    /// @dev Ends a provisional claim. What is credited for it is the caller's part.
    function _resolve(Claim calldata claim_, bytes32 claimId, ClaimStatus status) private {
        _claims[claimId] = ClaimState(status, Lot.OPEN, false, 0, 0, 0);
        _enrolments[_key(claim_.asserter, claim_.modelId, claim_.settledBy)].outstanding -= 1;
    }

    function _provisional(bytes32 claimId) private view returns (ClaimState storage state) {
        state = _claims[claimId];
        if (state.status != ClaimStatus.PROVISIONAL) revert ClaimNotProvisional(claimId, state.status);
    }

    /// @dev Whether the claim can become final by a proof only, as things stand: a lot that is not drawn may still
    /// spare it before the deadline.
    function _mustBeProved(ClaimState storage state) private view returns (bool) {
        return state.lot != Lot.SPARED || state.demanded;
    }

    /// @dev From when on a proof is too late.
    function _due(ClaimState storage state) private view returns (uint256) {
        return uint256(state.deadline) + PROOF_WINDOW;
    }

    /// @dev Reverts if nobody is enrolled for the model.
    function _header(Claim calldata claim_) private view returns (bytes memory) {
        address stored = _headers[claim_.modelId];
        if (stored == address(0)) revert NotEnrolled(claim_.modelId, claim_.asserter, claim_.settledBy);
        return CodeStore.read(stored);
    }

    function _key(address asserter, ModelId modelId, ProofSystem system) private pure returns (bytes32) {
        return keccak256(abi.encode(asserter, modelId, system));
    }
}
