// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// What a contract owes to each account, which the account fetches itself.
///
/// @dev Nothing is ever sent to an account in the midst of another's transaction, so an account that cannot be paid
///      holds up nobody but itself.
abstract contract CreditLedger {
    /// @notice What the contract owes to an account, in wei.
    mapping(address account => uint256 amount) public credit;

    /// @notice An account is owed `amount` wei more.
    event Credited(address indexed account, uint256 amount);

    /// @notice `amount` wei owed to `account` were paid out to `to`.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice The caller is owed nothing.
    error NothingToWithdraw();

    /// @notice `to` did not take the payment.
    error WithdrawalFailed(address to);

    /// @notice Pays all that the caller is owed to `to`.
    /// @dev The credit is cleared before the payment, so a recipient that calls back finds nothing left to take.
    /// @param to The account to be paid.
    function withdraw(address payable to) external {
        uint256 amount = credit[msg.sender];
        if (amount == 0) revert NothingToWithdraw();
        credit[msg.sender] = 0;
        emit Withdrawn(msg.sender, to, amount);
        (bool paid,) = to.call{value: amount}("");
        if (!paid) revert WithdrawalFailed(to);
    }

    /// @dev Owes an account `amount` wei more. Nothing is written for an amount of zero.
    function _credit(address account, uint256 amount) internal {
        if (amount == 0) return;
        credit[account] += amount;
        emit Credited(account, amount);
    }
}
