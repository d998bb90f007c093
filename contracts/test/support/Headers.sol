// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice Builds circuit headers field by field, independently of the library that reads them.
library Headers {
    struct Tensor {
        uint32[] shape;
        int64 lo;
        int64 hi;
    }

    /// @notice A header of inputs and outputs, with 5 trace leaves, 9 weights leaves and 3 op records; output i
    /// comes from op record i mod 3.
    function build(Tensor[] memory inputs, Tensor[] memory outputs) internal pure returns (bytes memory header) {
        header = abi.encodePacked(
            "VERINFER",
            uint16(1),
            uint8(3),
            uint8(4),
            uint8(2),
            uint8(0),
            uint16(inputs.length),
            uint16(outputs.length),
            uint64(5),
            uint64(9),
            uint32(3)
        );
        uint256 leaf = 0;
        for (uint256 i = 0; i < inputs.length; ++i) {
            header = abi.encodePacked(header, entry(inputs[i], uint64(leaf)));
            leaf += (count(inputs[i]) * width(inputs[i]) + 127) / 128;
        }
        for (uint256 i = 0; i < outputs.length; ++i) {
            header = abi.encodePacked(header, entry(outputs[i], uint64(i % 3)));
        }
    }

    /// @notice One input and one output vector.
    function vectors(uint32 inputs, int64 lo, int64 hi, uint32 outputs, int64 outLo, int64 outHi)
        internal
        pure
        returns (bytes memory)
    {
        Tensor[] memory first = new Tensor[](1);
        Tensor[] memory second = new Tensor[](1);
        first[0] = vector(inputs, lo, hi);
        second[0] = vector(outputs, outLo, outHi);
        return build(first, second);
    }

    function vector(uint32 size, int64 lo, int64 hi) internal pure returns (Tensor memory) {
        uint32[] memory shape = new uint32[](1);
        shape[0] = size;
        return Tensor(shape, lo, hi);
    }

    function entry(Tensor memory tensor, uint64 offset) internal pure returns (bytes memory data) {
        data = abi.encodePacked(uint8(tensor.shape.length), uint8(width(tensor)), bytes6(0));
        for (uint256 axis = 0; axis < 8; ++axis) {
            data = abi.encodePacked(data, axis < tensor.shape.length ? tensor.shape[axis] : uint32(0));
        }
        data = abi.encodePacked(data, tensor.lo, tensor.hi, offset, uint64(count(tensor)));
    }

    function count(Tensor memory tensor) internal pure returns (uint256 elements) {
        elements = 1;
        for (uint256 i = 0; i < tensor.shape.length; ++i) {
            elements *= tensor.shape[i];
        }
    }

    function width(Tensor memory tensor) internal pure returns (uint256 bytes_) {
        bytes_ = 1;
        while (!fits(tensor.lo, bytes_) || !fits(tensor.hi, bytes_)) bytes_ *= 2;
    }

    function fits(int256 value, uint256 bytes_) internal pure returns (bool) {
        int256 limit = int256(1) << (8 * bytes_ - 1);
        return -limit <= value && value < limit;
    }

    /// @notice A copy of `header` with `value` in place of its bytes from `position` on.
    function replace(bytes memory header, uint256 position, bytes memory value)
        internal
        pure
        returns (bytes memory copy)
    {
        copy = bytes.concat(header);
        for (uint256 i = 0; i < value.length; ++i) {
            copy[position + i] = value[i];
        }
    }
}
