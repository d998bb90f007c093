// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice Op records, packed as docs/trace.md lays them out.
library Records {
    struct Header {
        uint8 kind;
        uint8 width;
        uint8 views;
        uint8 shift;
        uint64 cells;
        uint32[8] dims;
        uint64 mul;
        int64 lo;
        int64 hi;
        uint8 region;
        uint64 first;
    }

    struct View {
        uint8 region;
        uint8 width;
        uint8 flags;
        int32 coefficient;
        uint64 first;
        int64 base;
        int64 fill;
        int32[8] strides;
        int32[4] steps;
        uint32[4] sizes;
        bytes guards;
    }

    /// @notice A tensor of one axis: an output, the first, unless region and first leaf are changed.
    function header(uint8 kind, uint8 width, uint8 views, uint32 cells) internal pure returns (Header memory found) {
        found.kind = kind;
        found.width = width;
        found.views = views;
        found.cells = cells;
        found.dims = [uint32(1), 1, 1, 1, 1, 1, 1, cells];
        found.region = 3;
    }

    /// @notice One element per cell, neighbours for neighbouring cells.
    function plain(uint8 region, uint8 width, uint64 first) internal pure returns (View memory found) {
        found.region = region;
        found.width = width;
        found.coefficient = 1;
        found.first = first;
        found.strides = [int32(0), 0, 0, 0, 0, 0, 0, 1];
        found.sizes = [uint32(1), 1, 1, 1];
    }

    function guard(uint8 a, uint8 b, int16 coefA, int16 coefB, int32 base, uint32 limit)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(a, b, coefA, coefB, uint16(0), base, limit);
    }

    function pack(Header memory self) internal pure returns (bytes memory packed) {
        packed = abi.encodePacked(uint8(1), self.kind, self.region, self.width, self.views, self.shift, uint16(0));
        packed = abi.encodePacked(packed, self.first, self.cells, uint64(0));
        for (uint256 i = 0; i < 8; ++i) {
            packed = abi.encodePacked(packed, self.dims[i]);
        }
        packed = abi.encodePacked(packed, self.mul, self.lo, self.hi, uint64(0));
    }

    function pack(View memory self) internal pure returns (bytes memory packed) {
        packed = abi.encodePacked(self.region, self.width, self.flags, uint8(self.guards.length / 16));
        packed = abi.encodePacked(packed, self.coefficient, self.first, self.base, self.fill);
        for (uint256 i = 0; i < 8; ++i) {
            packed = abi.encodePacked(packed, self.strides[i]);
        }
        for (uint256 i = 0; i < 4; ++i) {
            packed = abi.encodePacked(packed, self.steps[i]);
        }
        for (uint256 i = 0; i < 4; ++i) {
            packed = abi.encodePacked(packed, self.sizes[i]);
        }
        packed = bytes.concat(packed, self.guards, new bytes(64 - self.guards.length));
    }
}
