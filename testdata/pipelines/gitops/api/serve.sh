#!/bin/sh
# The service, as far as a sample needs one.
case $1 in
    health) echo "well" ;;
    orders) echo "3 orders" ;;
esac
