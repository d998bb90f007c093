// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {DotProducts} from "./DotProducts.sol";
import {Operand} from "./Operands.sol";

/// @notice A term of a record at one cell: coefficient * a * b, over the reduction axes. Three of these are outer axes,
/// one is the inner.
/// @param a The first factor.
/// @param b The second factor, if there is one.
/// @param isPair Whether there is.
/// @param skip Whether products that a guard excludes are left out.
/// @param coefficient What every product is multiplied by.
/// @param outer The sizes of the outer axes.
/// @param size The size of the inner axis.
/// @param next Where in the calldata the next term's view lies.
struct Term {
    Operand a;
    Operand b;
    bool isPair;
    bool skip;
    int256 coefficient;
    uint256[3] outer;
    uint256 size;
    uint256 next;
}

using Terms for Term global;

/// @title Walks over the products of a term
/// @notice Run by run, a run being all inner indices at one place of the outer axes; and within it stretch by stretch, in
/// which each factor is either read throughout or stands for its fill throughout. Arithmetic wraps: records are such
/// that, whatever the operands, no intermediate reaches 2^245.
library Terms {
    /// @dev So few products are cheaper one by one.
    uint256 private constant FEW = 5;

    /// @notice The sum of all products, those that a guard excludes with `fill` for the operand.
    function sum(Term memory self) internal pure returns (int256 total) {
        unchecked {
            uint256[3] memory sizes = self.outer;
            for (uint256 i = 0; i < sizes[0]; ++i) {
                for (uint256 j = 0; j < sizes[1]; ++j) {
                    for (uint256 k = 0; k < sizes[2]; ++k) {
                        self.a.enter(i, j, k, self.size);
                        if (self.isPair) {
                            self.b.enter(i, j, k, self.size);
                            total += _sumOfPairs(self.a, self.b, self.size);
                        } else {
                            total += _sum(self.a, self.size);
                        }
                    }
                }
            }
            total *= self.coefficient;
        }
    }

    /// @notice The largest of `most` and all products. The term has one factor.
    function largest(Term memory self, int256 most) internal pure returns (int256) {
        unchecked {
            uint256[3] memory sizes = self.outer;
            for (uint256 i = 0; i < sizes[0]; ++i) {
                for (uint256 j = 0; j < sizes[1]; ++j) {
                    for (uint256 k = 0; k < sizes[2]; ++k) {
                        most = _largestOfRun(self, i, j, k, most);
                    }
                }
            }
            return most;
        }
    }

    /// @notice How many products are `value` or more at a place before `place`, or more than `value` at another. The
    /// place is the row-major reduction index. The term has one factor, and the inner axis is the last.
    function before(Term memory self, uint256 place, int256 value) internal pure returns (uint256 found) {
        unchecked {
            uint256[3] memory sizes = self.outer;
            for (uint256 i = 0; i < sizes[0]; ++i) {
                for (uint256 j = 0; j < sizes[1]; ++j) {
                    for (uint256 k = 0; k < sizes[2]; ++k) {
                        self.a.enter(i, j, k, self.size);
                        uint256 start = ((i * sizes[1] + j) * sizes[2] + k) * self.size;
                        uint256 until = place > start ? place - start : 0; // in this run
                        if (until > self.size) until = self.size;
                        found += _above(self, 0, until, value - 1) + _above(self, until, self.size, value);
                    }
                }
            }
        }
    }

    /// @notice The product at one place, unless it is left out. The term has one factor, and the inner axis is the last.
    function product(Term memory self, uint256 place) internal pure returns (bool exists, int256 value) {
        unchecked {
            uint256[3] memory sizes = self.outer;
            uint256 run = place / self.size;
            uint256 inner = place % self.size;
            self.a.enter(run / sizes[2] / sizes[1], run / sizes[2] % sizes[1], run % sizes[2], self.size);
            (bool isRead,) = self.a.stretch(inner, self.size);
            if (isRead) {
                value = self.coefficient * self.a.sum(inner, 1);
            } else {
                if (self.skip) return (false, 0);
                value = self.coefficient * self.a.fill;
            }
            return (true, value);
        }
    }

    /// @notice How many products the term has, those left out included.
    function count(Term memory self) internal pure returns (uint256) {
        unchecked {
            return self.outer[0] * self.outer[1] * self.outer[2] * self.size;
        }
    }

    /// @dev Over the run that has been entered.
    function _sum(Operand memory a, uint256 size) private pure returns (int256 total) {
        unchecked {
            total = a.sum(a.from, a.until - a.from);
            total += a.fill * int256(size - (a.until - a.from));
        }
    }

    /// @dev Over the run that has been entered.
    function _sumOfPairs(Operand memory a, Operand memory b, uint256 size) private pure returns (int256 total) {
        unchecked {
            if (a.until - a.from == size && b.until - b.from == size) return _products(a, b, 0, size);
            for (uint256 index = 0; index < size;) {
                (bool readA, uint256 end) = a.stretch(index, size);
                (bool readB, uint256 endB) = b.stretch(index, size);
                if (endB < end) end = endB;
                if (readA && readB) {
                    total += _products(a, b, index, end - index);
                } else if (readA) {
                    if (b.fill != 0) total += b.fill * a.sum(index, end - index);
                } else if (readB) {
                    if (a.fill != 0) total += a.fill * b.sum(index, end - index);
                } else {
                    total += a.fill * b.fill * int256(end - index);
                }
                index = end;
            }
        }
    }

    /// @dev Of elements that are read.
    function _products(Operand memory a, Operand memory b, uint256 index, uint256 left)
        private
        pure
        returns (int256 total)
    {
        unchecked {
            bool packed = a.step == 2 && b.step == 2 && a.sar == 240 && b.sar == 240;
            while (left != 0) {
                (uint256 atA, uint256 number) = a.locate(index, left);
                uint256 atB;
                (atB, number) = b.locate(index, number);
                if (packed && number > FEW) {
                    if (number > DotProducts.MOST) number = DotProducts.MOST;
                    total += DotProducts.contiguous16(atA, atB, number);
                } else {
                    total += DotProducts.products(atA, a.step, a.sar, atB, b.step, b.sar, number);
                }
                index += number;
                left -= number;
            }
        }
    }

    function _largestOfRun(Term memory self, uint256 i, uint256 j, uint256 k, int256 most)
        private
        pure
        returns (int256)
    {
        unchecked {
            Operand memory a = self.a;
            a.enter(i, j, k, self.size);
            uint256 index = a.from;
            uint256 until = a.until;
            if (!self.skip && until - index < self.size) {
                int256 value = self.coefficient * a.fill;
                if (value > most) most = value;
            }
            while (index < until) {
                (uint256 place, uint256 number) = a.locate(index, until - index);
                most = DotProducts.largest(place, a.step, a.sar, number, self.coefficient, most);
                index += number;
            }
            return most;
        }
    }

    /// @dev How many products exceed `threshold`, at the inner indices [index, end) of the run that has been entered.
    function _above(Term memory self, uint256 index, uint256 end, int256 threshold)
        private
        pure
        returns (uint256 found)
    {
        unchecked {
            Operand memory a = self.a;
            uint256 read = 0;
            uint256 size = end - index;
            if (index < a.from) index = a.from;
            if (end > a.until) end = a.until;
            while (index < end) {
                (uint256 place, uint256 number) = a.locate(index, end - index);
                found += DotProducts.above(place, a.step, a.sar, number, self.coefficient, threshold);
                index += number;
                read += number;
            }
            if (!self.skip && self.coefficient * a.fill > threshold) found += size - read;
        }
    }
}
