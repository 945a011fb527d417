# After all other tests' traffic, on the server that they shared: APR's books balance to the byte, and the
# books of the whole child are closed.
use strict;
use warnings;
use PST;
use PST::Books;
use Test::More;

my $json;
ok(wait_for(sub { $json = json_now(); !books_balance($json) }, 20), 'held = process + connections + requests + buckets + retained, for every child')
  or diag(join "\n", books_balance($json));
ok(wait_for(sub { $json = json_now(); !grep { !$_->{balance_time} || $_->{unbalanced_bytes} || $_->{overbooked_bytes} } @{ $json->{children} } }, 20),
   'retained was counted in the free lists of every child, and nothing is left over')
  or diag(explain([ map { [ @$_{qw(pid balance_time unbalanced_bytes overbooked_bytes)} ] } @{ $json->{children} } ]));
cmp_ok($json->{total}{requests_finished}, '>', 0, 'after ' . $json->{total}{requests_finished} . ' requests');
ok(wait_for(sub { $json = json_now(); !grep { !$_->{books_time} || !$_->{maps_time} } @{ $json->{children} } }, 20), 'the books of every child were taken');
is(join("\n", law($json)), '', 'RSS + swap + not resident = explained + unexplained, in each');
ok(wait_for(sub { $json = json_now(); !grep { $_->{unexplained_bytes} > $_->{rss_bytes} / 10 } @{ $json->{children} } }, 20), 'less than a tenth is unexplained')
  or diag(explain([ map { [ @$_{qw(pid rss_bytes unexplained_bytes other_bytes held_bytes heap_in_use_bytes heap_free_bytes)} ] } @{ $json->{children} } ]));
done_testing;
