#!/usr/bin/perl
# a CGI that stays until the test has looked: until its wait file is gone, 20 s at most
use strict;
use warnings;
$| = 1;
my ($file) = ($ENV{QUERY_STRING} || '') =~ /wait=([\w.\/-]+)/;
print "Content-Type: text/plain\r\n\r\npid $$ parent ", getppid(), "\n";
for (1 .. 2000) {
    last if !$file || !-e $file;
    select undef, undef, undef, 0.01;
}
print "done\n";
