# After all other tests' traffic on the server that they share: no finding but those that are true. Tests leave
# memory behind on purpose; what they leave is what may be found.
use strict;
use warnings;
use PST;
use Test::More;

# slots.t opens more connections than there are slots; large requests leave what MaxMemFree lets allocators keep, and
# then nothing as large comes for a while.
my %true = map { $_ => 1 } qw(slots-exceeded retained-dominates);
my $json = json_now();
my @found = @{ $json->{findings} };
note("$_->{severity} $_->{id}: $_->{what} $_->{evidence}") for @found;
my @false = grep { !$true{ $_->{id} } } @found;
is(join(' ', map { $_->{id} } @false), '', 'no false finding') or diag(map { "$_->{id}: $_->{what} $_->{evidence}\n" } @false);
for my $f (grep { $_->{id} eq 'retained-dominates' } @found) {
    my $sum = 0;
    $sum += $_->{retained_bytes} for @{ $json->{children} };
    cmp_ok($f->{figures}{retained_bytes}, '<=', $sum, 'what is said to be retained is');
    my $page = fetch('/pool-status')->{body};
    like($page, qr{<code>retained-dominates</code>}, 'the page says so too');
}
done_testing;
