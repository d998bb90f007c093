// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {MachineTest} from "./support/MachineTest.sol";

/// @notice What each instruction of the sumcheck tier's machine costs.
contract MachineGasTest is MachineTest {
    uint16 private constant DST = 2000;
    uint16 private constant A = 310;
    uint16 private constant B = 710;

    function test_gas_arithmetic() public {
        _record("MUL_5", abi.encodePacked(hex"11", _operands(15)));
        _record("SUM2_3", abi.encodePacked(hex"15", _operands(15)));
        _record("SUM3_2", abi.encodePacked(hex"16", _operands(14)));
        _record("MUL", abi.encodePacked(hex"06", _operands(3)));
        _record("SUM, 1 term", abi.encodePacked(hex"05", DST, hex"0100", _operands(2)));
        _record("SUM, 4 terms", abi.encodePacked(hex"05", DST, hex"0400", _operands(8)));
        _record("SUM, 5 terms", abi.encodePacked(hex"05", DST, hex"0500", _operands(10)));
        _record("SUM, 8 terms and 1 less", abi.encodePacked(hex"05", DST, hex"0801", _operands(18)));
        _record("SUM, 28 terms", abi.encodePacked(hex"05", DST, hex"1c00", _operands(56)));
        _record("SUM, 255 terms", abi.encodePacked(hex"05", DST, hex"ff00", _operands(510)));
        _record("DOT, 10 terms", abi.encodePacked(hex"07", DST, A, B, uint16(10)));
        _record("DOT, 400 terms", abi.encodePacked(hex"07", DST, A, B, uint16(400)));
        _record("DOT_STRIDED, 10 terms", abi.encodePacked(hex"14", DST, A, B, uint16(10), uint16(3)));
    }

    function test_gas_transcript() public {
        _record("ABSORB, 1 word", abi.encodePacked(hex"01", A, uint16(1)));
        _record("ABSORB, 4 words", abi.encodePacked(hex"01", A, uint16(4)));
        _record("ABSORB, 31 words", abi.encodePacked(hex"01", A, uint16(31)));
        _record("ABSORB_POINTS, 2 words", abi.encodePacked(hex"12", A, uint16(2)));
        _record("ABSORB_POINTS, 100 words", abi.encodePacked(hex"12", A, uint16(100)));
        _record("SQUEEZE, 1 word", abi.encodePacked(hex"02", DST, uint16(1)));
        _record("SQUEEZE, 8 words", abi.encodePacked(hex"02", DST, uint16(8)));
    }

    function test_gas_rounds() public {
        _record("ROUNDS, 10 of degree 2", abi.encodePacked(hex"03", A, B, DST, DST + 100, hex"0a02"));
        _record("ROUNDS, 10 of degree 3", abi.encodePacked(hex"03", A, B, DST, DST + 100, hex"0a03"));
        _record("ROUNDS_AT, 1", abi.encodePacked(hex"04", A, B, B, DST, DST + 100, hex"01"));
        _record("ROUNDS_AT, 11", abi.encodePacked(hex"04", A, B, B, DST, DST + 100, hex"0b"));
    }

    function test_gas_multilinear() public {
        _record("EQ, 1 of 2^9", _eq(9, 300, 1));
        _record("EQ, 2 of 2", _eq(1, 0, 2));
        _record("EQ, 3 of 4", _eq(2, 0, 3));
        _record("EQ, 4 of 4", _eq(2, 0, 4));
        _record("EQ, 8 of 8", _eq(3, 0, 8));
        _record("EQ, 10 of 16", _eq(4, 0, 10));
        _record("EQ, 28 of 32", _eq(5, 0, 28));
        _record("EQ, 32 of 32", _eq(5, 0, 32));
        _record("EQ, 60 of 64 from 1", _eq(6, 1, 60));
        _record("EQ, 400 of 512", _eq(9, 0, 400));
        _record("EQ_SLOTS, 8 of 8", abi.encodePacked(hex"13", DST, A, hex"03", hex"000000020000000400000008"));
        _record("OVERLAP, 4 of 4", abi.encodePacked(hex"09", DST, A, B, hex"02", uint32(4)));
        _record("OVERLAP, 3 of 4", abi.encodePacked(hex"09", DST, A, B, hex"02", uint32(3)));
        _record("OVERLAP, 256 of 256", abi.encodePacked(hex"09", DST, A, B, hex"08", uint32(256)));
        _record("OVERLAP, 120 of 128", abi.encodePacked(hex"09", DST, A, B, hex"07", uint32(120)));
        _record("OVERLAP, 85 of 128", abi.encodePacked(hex"09", DST, A, B, hex"07", uint32(85)));
        _record("MASS, 3 of 4", abi.encodePacked(hex"0a", DST, A, hex"02", uint32(3)));
        _record("MASS, 1000 of 1024", abi.encodePacked(hex"0a", DST, A, hex"0a", uint32(1000)));
        _record("CHOOSE, of 2^9", abi.encodePacked(hex"0f", DST, A, hex"09", FIRST));
    }

    function test_gas_vectors() public {
        _record("OUTER, 3 by 8", abi.encodePacked(hex"0b", DST, A, uint16(3), B, uint16(8)));
        _record("OUTER, 25 by 16", abi.encodePacked(hex"0b", DST, A, uint16(25), B, uint16(16)));
        _record("GATHER, 15", abi.encodePacked(hex"0c", DST, uint16(15), _operands(15)));
        _record("INVERT", abi.encodePacked(hex"0d", DST, uint16(303)));
        _record("ZERO", abi.encodePacked(hex"0e", FIRST));
    }

    function test_gas_open() public {
        bytes memory pair = abi.encodePacked(FIRST, A);
        bytes memory four = abi.encodePacked(pair, pair, pair, pair);
        uint256 points = _gas(abi.encodePacked(hex"10", uint16(4), four, FIRST, hex"00"), 100);
        uint256 none = _gas(abi.encodePacked(hex"10", uint16(0), FIRST, hex"00", new bytes(16)), 100);
        vm.snapshotValue("Machine", "OPEN, each point", (points - none) / 4);
        bytes memory twice = abi.encodePacked(hex"10", uint16(0), FIRST, CLOSE, new bytes(11));
        vm.snapshotValue("Machine", "OPEN, no point", _gas(twice, 100) - none);
    }

    function _eq(uint8 n, uint32 start, uint16 count) private pure returns (bytes memory) {
        return abi.encodePacked(hex"08", DST, A, n, start, count);
    }

    /// @dev Registers in turn.
    function _operands(uint256 count) private pure returns (bytes memory operands) {
        for (uint256 i = 0; i < count; ++i) {
            operands = abi.encodePacked(operands, uint16(A + 7 * i % 256));
        }
    }
}
