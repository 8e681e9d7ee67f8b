"""Conventional recommenders with one interface, exact control on top of any of them."""
