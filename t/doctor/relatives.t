# Processes of the server that are no children of its MPM: each with its role, on all faces; a piped logger that grows is
# found with its number, size and growth, within a minute and a half; one that stays as it is, is not.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

my $s = PST::Server->new('relatives');
my $keeper = "$s->{dir}/keeper.pl";
my $still  = "$s->{dir}/still.pl";
PST::Stage::write_file($keeper, <<'EOT');
# keeps so many bytes for each line that says so
my @keep;
while (<STDIN>) { push @keep, 'x' x $1 if /keep=(\d+)/ }
EOT
PST::Stage::write_file($still, "while (<STDIN>) { }\n");
$s->write_conf(conf => <<"EOT");
LogFormat "%r" line
CustomLog "|$^X $keeper" line
CustomLog "|$^X $still" line
ScriptAlias /cgi-bin/ "$s->{stage}{top}/t/htdocs/cgi-bin/"
EOT
$s->start or BAIL_OUT($s->start_text . $s->log_text);
my $parent = $s->json->{server}{parent_pid};
my @had;
sub relatives { my $json = $s->json; @had = @{ $json->{relatives} // [] }; return @had }
sub one { my ($what) = @_; return (grep { $_->{command} =~ /\Q$what\E/ } relatives())[0] }

ok(wait_for(sub { one($still) }, 30), 'the parent looked') or diag(explain(\@had));
my $keeps = one($keeper);
is($_->{role}, 'logger', "$_->{command} is a piped logger") for $keeps, one($still);
cmp_ok($keeps->{rss_bytes}, '>=', $keeps->{private_bytes}, 'with what it has');
is(scalar(grep { $_->{role} eq 'cgid' && $_->{parent} == $parent } relatives()), mpm() eq 'event' ? 1 : 0, "mod_cgid's daemon");
my %child = map { $_->{pid} => 1 } @{ $s->json->{children} };
is(join(' ', grep { $child{$_} } map { $_->{pid} } relatives()), '', 'no child of the MPM is among them');
cmp_ok(abs($keeps->{started} - time), '<', 300, 'and since when');

my $wait = '/tmp/' . token('pst-relatives');
PST::Stage::write_file($wait, '');
END { unlink $wait if $wait }
my $conn = PST::Conn->new($s->{port});
$conn->get("/cgi-bin/alloc.pl?wait=$wait");
ok(wait_for(sub { one('alloc.pl') }, 18), 'a CGI program');
is($_->{role}, 'cgi', 'by its role') for grep { $_->{command} =~ /alloc\.pl/ } @had;
unlink $wait;
ok(wait_for(sub { !one('alloc.pl') }, 30), 'it is gone');

# 100 KB a request, ten a second, until it is found
my ($finding, $asked, $json);
my $began = time;
ok(wait_for(sub {
    $s->fetch('/small.txt?keep=100000');
    return 0 if ++$asked % 10;
    $json = $s->json;
    ($finding) = grep { $_->{id} eq 'process-grows' } @{ $json->{findings} };
    return $finding;
}, 120), 'what grows is found') or diag(explain(\@had));
diag("$asked requests in " . (time - $began) . " s");
is($finding->{figures}{process}, $keeps->{pid}, 'which process');
like($finding->{what}, qr/^A piped logger grows: process $keeps->{pid} \(.*keeper\.pl\), by \S+ \S+ a minute\.$/, $finding->{what});
my ($row) = grep { $_->{pid} == $keeps->{pid} } @{ $json->{relatives} };
is($finding->{figures}{private_bytes}, $row->{private_bytes}, 'its size');
is($finding->{figures}{gained_bytes}, $row->{gained_bytes}, 'its growth');
cmp_ok($row->{gained_bytes}, '<=', $row->{private_bytes}, 'which is no more than it has');
cmp_ok($row->{gained_bytes}, '<=', 102_400 * $asked + 1e6, 'nor than it was told to keep');
is(scalar(grep { $_->{id} eq 'process-grows' } @{ $json->{findings} }), 1, 'the other logger is not');

my $page = $s->fetch('/pool-status')->{body};
like($page, qr{<table class="relatives">.*<th scope="row">$keeps->{pid}</th>\s*<td>logger</td>\s*<td>[^<]*keeper\.pl</td>}s, 'on the page');
my $metrics = $s->fetch('/pool-status/metrics')->{body};
like($metrics, qr/^poolstat_relatives\{role="logger"\} 2$/m, 'in metrics: by role');
like($metrics, qr/^poolstat_relatives_growing\{role="logger"\} 1$/m, 'and how many grow');
like($metrics, qr/^poolstat_relative_private_bytes\{role="logger"\} \d+$/m, 'with their sum');
like($s->fetch('/pool-status?auto')->{body}, qr/^Relative\.$keeps->{pid}\.Role: logger$/m, 'as text');

is($s->graceful && 1, 1, 'a reload');
ok(wait_for(sub { my @now = relatives(); @now && !grep { $_->{pid} == $keeps->{pid} } @now }, 40), 'starts loggers anew: the old one is gone');
%child = map { $_->{pid} => 1 } @{ $s->json->{children} };
is(join(' ', grep { $child{$_} } map { $_->{pid} } relatives()), '', 'and children are still told apart');
is($s->stop, 0, 'stops in order');
done_testing;
