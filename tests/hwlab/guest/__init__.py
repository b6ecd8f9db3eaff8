"""What runs inside the guest: composite USB gadgets, the modems and the board behind them, and the tests."""
