#!/usr/bin/perl
# a CGI that prints its environment
use strict;
use warnings;
print "Content-Type: text/plain\r\n\r\n", map "$_=$ENV{$_}\n", sort keys %ENV;
