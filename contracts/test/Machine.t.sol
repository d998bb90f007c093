// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Machine} from "../src/sumcheck/Machine.sol";
import {Multilinear} from "../src/sumcheck/Multilinear.sol";
import {Opening} from "../src/sumcheck/Opening.sol";
import {Transcript} from "../src/sumcheck/Transcript.sol";
import {Vectors} from "../src/sumcheck/Vectors.sol";
import {MachineTest} from "./support/MachineTest.sol";
import {ReferenceMachine} from "./support/ReferenceMachine.sol";

/// @notice Every instruction against what its definition says, on random words.
contract MachineFuzzTest is MachineTest {
    uint256 private constant WORDS = 200;
    uint16 private constant DST = 1000;
    bytes32 private constant TAG = keccak256("verinfer sumcheck argument v1");

    function testFuzz_products(uint256 seed, uint256 form) public view {
        // terms of a sum, sums of an instruction
        (uint256 terms, uint256 sums, bytes memory code) = (1, 1, hex"06");
        if (form % 4 == 1) (terms, sums, code) = (1, 5, hex"11");
        if (form % 4 == 2) (terms, sums, code) = (2, 3, hex"15");
        if (form % 4 == 3) (terms, sums, code) = (3, 2, hex"16");
        uint256[] memory words = _words(seed, WORDS);
        uint256[] memory expected = new uint256[](sums);
        for (uint256 i = 0; i < sums; ++i) {
            uint256[] memory indices = _indices(seed ^ i << 8, 2 * terms);
            expected[i] = ReferenceMachine.sum(words, indices, terms);
            code = abi.encodePacked(code, uint16(DST + i), _named(indices));
        }
        _expect(code, words, expected);
    }

    function testFuzz_sum(uint256 seed, uint8 plus, uint8 minus) public view {
        plus %= 40;
        minus %= 12;
        uint256[] memory words = _words(seed, WORDS);
        uint256[] memory indices = _indices(seed, 2 * (uint256(plus) + minus));
        bytes memory code = abi.encodePacked(hex"05", DST, plus, minus, _named(indices));
        _expect(code, words, _one(ReferenceMachine.sum(words, indices, plus)));
    }

    function testFuzz_dot(uint256 seed, uint16 n, uint16 stride) public view {
        n %= 30;
        stride %= 5;
        uint256[] memory words = _words(seed, WORDS);
        (uint16 a, uint16 b) = (uint16(seed % 160), uint16(seed / 160 % 60));
        bytes memory code = abi.encodePacked(hex"07", DST, FIRST + a, FIRST + b, n);
        _expect(code, words, _one(ReferenceMachine.dot(words, a, b, n, 1)));
        code = abi.encodePacked(hex"14", DST, FIRST + a, FIRST + b, n, stride);
        _expect(code, words, _one(ReferenceMachine.dot(words, a, b, n, stride)));
    }

    function testFuzz_eq(uint256 seed, uint8 n, uint32 start, uint16 count) public view {
        n %= 8;
        start = uint32(start % (1 << n));
        count = uint16(1 + count % ((1 << n) - start));
        uint256[] memory words = _words(seed, WORDS);
        uint256[] memory expected = new uint256[](count);
        uint16 z = uint16(seed % WORDS - seed % WORDS / 20);
        for (uint256 k = 0; k < count; ++k) {
            expected[k] = ReferenceMachine.eq(words, z, n, start + k);
        }
        _expect(abi.encodePacked(hex"08", DST, FIRST + z, n, start, count), words, expected);
    }

    /// @dev With nothing kept, the slots are the values of eq; a kept node is one of them summed over what is behind it.
    function testFuzz_eqSlots(uint256 seed, uint8 n, uint16 count) public view {
        n %= 7;
        count = uint16(1 + count % (1 << n));
        uint256[] memory words = _words(seed, WORDS);
        bytes memory code = abi.encodePacked(hex"13", DST, FIRST + 7, n);
        uint256[] memory expected = new uint256[](count);
        for (uint256 k = 0; k < count; ++k) {
            expected[k] = ReferenceMachine.eq(words, 7, n, k);
        }
        for (uint256 depth = 1; depth <= n; ++depth) {
            code = abi.encodePacked(code, uint16(0), uint16(((count - 1) >> (n - depth)) + 1));
        }
        _expect(code, words, expected);

        // 1, z, (1 - z) y, ... : at each depth but the first all but the last node are kept.
        expected = new uint256[](4);
        (uint256 y, uint256 z) = (words[8], words[7]);
        (expected[0], expected[1]) = (ReferenceMachine.sub(1, z), mulmod(z, ReferenceMachine.sub(1, y), R));
        expected[2] = mulmod(mulmod(z, y, R), ReferenceMachine.sub(1, words[9]), R);
        expected[3] = mulmod(mulmod(z, y, R), words[9], R);
        code = abi.encodePacked(hex"13", DST, FIRST + 7, hex"03", hex"000000020001000200010002");
        _expect(code, words, expected);
    }

    function testFuzz_sumsOfEq(uint256 seed, uint8 n, uint32 count) public view {
        n %= 7;
        count = uint32(1 + count % (1 << n));
        uint256[] memory words = _words(seed, WORDS);
        (uint16 a, uint16 b) = (uint16(seed % 190), uint16(seed / 190 % 190));
        bytes memory code = abi.encodePacked(hex"09", DST, FIRST + a, FIRST + b, n, count);
        _expect(code, words, _one(ReferenceMachine.overlap(words, a, b, n, count)));
        code = abi.encodePacked(hex"0a", DST, FIRST + a, n, count);
        _expect(code, words, _one(ReferenceMachine.mass(words, a, n, count)));
    }

    function testFuzz_choose(uint256 seed, uint8 n, uint256 index) public {
        n %= 20;
        uint256[] memory words = _words(seed, WORDS);
        words[5] = index % (1 << n);
        bytes memory code = abi.encodePacked(hex"0f", DST, FIRST + 6, n, FIRST + 5);
        _expect(code, words, _one(ReferenceMachine.eq(words, 6, n, words[5])));
        words[5] = index % R | 1 << n;
        vm.expectRevert(abi.encodeWithSelector(Multilinear.IndexBeyondCube.selector, words[5], n));
        harness.execute(code, words, DST, 0);
    }

    function testFuzz_vectors(uint256 seed, uint16 na, uint16 nb) public view {
        na %= 12;
        nb %= 15;
        uint256[] memory words = _words(seed, WORDS);
        uint256[] memory expected = new uint256[](uint256(na) * nb);
        for (uint256 k = 0; k < expected.length; ++k) {
            expected[k] = mulmod(words[20 + k / nb], words[40 + k % nb], R);
        }
        _expect(abi.encodePacked(hex"0b", DST, FIRST + 20, na, FIRST + 40, nb), words, expected);

        uint256[] memory indices = _indices(seed, nb);
        expected = new uint256[](nb);
        for (uint256 k = 0; k < nb; ++k) {
            expected[k] = words[indices[k]];
        }
        _expect(abi.encodePacked(hex"0c", DST, nb, _named(indices)), words, expected);
    }

    function testFuzz_invert(uint256 seed) public {
        uint256[] memory words = _words(seed, 8);
        bytes memory code = abi.encodePacked(hex"0d", DST, FIRST + 3);
        if (words[3] == 0) vm.expectRevert(Vectors.InverseOfZero.selector);
        (uint256[] memory results,) = harness.execute(code, words, DST, 1);
        if (words[3] == 0) return;
        vm.assertEq(mulmod(results[0], words[3], R), 1);
        vm.assertLt(results[0], R);
    }

    function testFuzz_rounds(uint256 seed, uint8 n, uint8 degree) public view {
        n %= 12;
        degree = 2 + degree % 2;
        uint256[] memory words = _words(seed, WORDS);
        (bytes32 state, uint256[] memory challenges, uint256 claim) =
            ReferenceMachine.rounds(words, TAG, 60, words[2], 0, n, degree);
        bytes memory code = abi.encodePacked(hex"03", FIRST + 60, FIRST + 2, DST, DST + n, n, degree);
        _expectRounds(code, words, state, challenges, claim);

        (state, challenges, claim) = ReferenceMachine.rounds(words, TAG, 60, words[2], 3, n, 0);
        for (uint256 k = 0; 2 * k + 1 < n; ++k) {
            (challenges[k], challenges[n - 1 - k]) = (challenges[n - 1 - k], challenges[k]);
        }
        code = abi.encodePacked(hex"04", FIRST + 60, FIRST + 2, FIRST + 3, DST, DST + n, n);
        _expectRounds(code, words, state, challenges, claim);
    }

    function testFuzz_transcript(uint256 seed, uint16 count) public view {
        count = 1 + count % 20;
        uint256[] memory words = _words(seed, WORDS);
        words[2] = type(uint256).max; // a coordinate, say
        bytes memory said = abi.encodePacked(TAG);
        for (uint256 k = 0; k < count; ++k) {
            said = abi.encodePacked(said, words[3 + k]);
        }
        bytes32 state = keccak256(abi.encodePacked(keccak256(said), words[2]));
        bytes memory code = abi.encodePacked(hex"01", FIRST + 3, count, hex"12", FIRST + 2, uint16(1));
        code = abi.encodePacked(code, hex"02", DST, count);
        uint256[] memory expected = new uint256[](count);
        for (uint256 k = 0; k < count; ++k) {
            state = keccak256(abi.encodePacked(state));
            expected[k] = uint256(state) % R;
        }
        (uint256[] memory results, bytes32 actual) = harness.execute(code, words, DST, count);
        vm.assertEq(actual, state);
        _assertEqual(results, expected);
        (results,) = harness.execute(code, words, FIRST, words.length);
        _assertEqual(results, words); // nothing that is absorbed is changed
    }

    /// @dev A scalar of the proof has one form only, wherever it is read.
    function testFuzz_refusesScalarsThatAreNotCanonical(uint256 seed, uint256 excess, uint8 at) public {
        uint256[] memory words = _words(seed, WORDS);
        words[60 + at % 6] = bound(excess, R, type(uint256).max);
        bytes[4] memory codes = [
            abi.encodePacked(hex"01", FIRST + 60, uint16(6)),
            abi.encodePacked(hex"03", FIRST + 60, FIRST + 2, DST, DST + 9, hex"0302"),
            abi.encodePacked(hex"03", FIRST + 60, FIRST + 2, DST, DST + 9, hex"0203"),
            abi.encodePacked(hex"04", FIRST + 60, FIRST + 2, FIRST + 3, DST, DST + 9, hex"03")
        ];
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectRevert(Transcript.ScalarNotCanonical.selector);
            harness.execute(codes[i], words, DST, 0);
        }
    }

    function _expect(bytes memory code, uint256[] memory words, uint256[] memory expected) private view {
        (uint256[] memory results,) = harness.execute(code, words, DST, expected.length);
        _assertEqual(results, expected);
    }

    function _expectRounds(
        bytes memory code,
        uint256[] memory words,
        bytes32 state,
        uint256[] memory challenges,
        uint256 claim
    ) private view {
        uint256 n = challenges.length;
        (uint256[] memory results, bytes32 actual) = harness.execute(code, words, DST, n + 1);
        vm.assertEq(actual, state);
        vm.assertEq(results[n], claim);
        for (uint256 k = 0; k < n; ++k) {
            vm.assertEq(results[k], challenges[k]);
        }
        (results,) = harness.execute(code, words, FIRST, words.length);
        _assertEqual(results, words);
    }

    function _assertEqual(uint256[] memory a, uint256[] memory b) private pure {
        vm.assertEq(abi.encode(a), abi.encode(b));
    }

    function _one(uint256 value) private pure returns (uint256[] memory values) {
        values = new uint256[](1);
        values[0] = value;
    }

    function _indices(uint256 seed, uint256 count) private pure returns (uint256[] memory indices) {
        indices = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            indices[i] = uint256(keccak256(abi.encode("index", seed, i))) % WORDS;
        }
    }

    function _named(uint256[] memory indices) private pure returns (bytes memory names) {
        for (uint256 i = 0; i < indices.length; ++i) {
            // forge-lint: disable-next-line(unsafe-typecast)
            names = abi.encodePacked(names, uint16(FIRST + indices[i]));
        }
    }
}

/// @notice How a program ends, and what its opening takes.
contract MachineEndTest is MachineTest {
    uint256 private constant P = 21888242871839275222246405745257275088696311157297823662689037894645226208583;

    /// @dev [tau]_2 is [1]_2 here, tau being 1: s P + t Q opens with V = s P + t Q.
    function testFuzz_open(uint256 s, uint256 t, bool altered) public {
        uint256[] memory words = _words(1, 20);
        (words[5], words[6]) = (s % R, t % R);
        (words[7], words[8]) = (1, 2);
        (words[9], words[10]) = _multiple(3);
        (words[11], words[12]) = _multiple(addmod(words[5], mulmod(3, words[6], R), R));
        bytes memory code =
            abi.encodePacked(hex"100002", FIRST + 7, FIRST + 5, FIRST + 9, FIRST + 6, FIRST + 11, hex"00");
        if (altered) {
            words[6] = addmod(words[6], 1, R);
            vm.expectRevert(Opening.OpeningRefused.selector);
        }
        harness.run(code, words);
    }

    /// @dev Whatever the scalar: off the curve, a coordinate that is not canonical, a half of infinity. As one of the
    /// points, and as the witness.
    function test_open_refusesWhatIsNoPoint() public {
        uint256[2][6] memory points =
            [[uint256(1), 3], [1 + P, 2], [uint256(1), 2 + P], [P, 0], [uint256(0), P], [uint256(0), 1]];
        for (uint256 i = 0; i < points.length; ++i) {
            uint256[] memory words = _words(1, 20);
            (words[5], words[7], words[8]) = (0, points[i][0], points[i][1]);
            vm.expectRevert(Opening.OpeningRefused.selector);
            harness.run{gas: 2_000_000}(abi.encodePacked(hex"100001", FIRST + 7, FIRST + 5, FIRST, hex"00"), words);
            vm.expectRevert(Opening.OpeningRefused.selector);
            harness.run{gas: 2_000_000}(abi.encodePacked(hex"100000", FIRST + 7, hex"00"), words);
        }
    }

    function test_open_takesInfinity() public view {
        uint256[] memory words = _words(1, 20);
        words[5] = 77;
        harness.run(abi.encodePacked(hex"100001", FIRST, FIRST + 5, FIRST, hex"00"), words);
    }

    function test_end_needsAnOpening() public {
        uint256[] memory words = _words(1, 20);
        harness.run(CLOSE, words);
        vm.expectRevert(Machine.NothingOpened.selector);
        harness.run(hex"00", words);
    }

    function test_refusesUnknownInstructions() public {
        uint256[] memory words = _words(1, 20);
        for (uint256 opcode = 0x17; opcode <= 0xff; ++opcode) {
            vm.expectRevert(abi.encodeWithSelector(Machine.UnknownInstruction.selector, opcode));
            // forge-lint: disable-next-line(unsafe-typecast)
            harness.run(abi.encodePacked(uint8(opcode), CLOSE), words);
        }
    }

    function testFuzz_zero(uint256 word) public {
        uint256[] memory words = _words(1, 20);
        words[3] = word;
        if (word != 0) vm.expectRevert(abi.encodeWithSelector(Vectors.NotZero.selector, FIRST + 3));
        harness.run(abi.encodePacked(hex"0e", FIRST + 3, CLOSE), words);
    }

    /// @dev A call that runs out of gas, in the machine or in a precompile, accepts nothing.
    function testFuzz_outOfGas(uint256 limit) public {
        uint256[] memory words = _words(1, 20);
        bytes memory call_ = abi.encodeCall(harness.run, (CLOSE, words));
        (bool success,) = address(harness).call{gas: bound(limit, 0, 300_000)}(call_);
        if (success) return;
        (success,) = address(harness).call{gas: 400_000}(call_);
        vm.assertTrue(success);
    }

    function _multiple(uint256 scalar) private view returns (uint256 x, uint256 y) {
        (bool success, bytes memory point) = address(7).staticcall(abi.encode(1, 2, scalar));
        vm.assertTrue(success);
        return abi.decode(point, (uint256, uint256));
    }
}
