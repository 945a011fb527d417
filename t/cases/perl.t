# mod_perl: two hundred scripts, each compiled when it is first asked for, then six of them again and again: growth with what is new, as
# information, and nothing afterwards.
use strict;
use warnings;
use PST;
use PST::Cases;
use PST::Server;
use Test::More;
use Time::HiRes qw(time sleep);

plan skip_all => 'mod_perl is for prefork' unless mpm() eq 'prefork';
my $libexec = stage()->{libexec};
plan skip_all => 'not here: mod_perl' unless -e "$libexec/mod_perl.so";
my $s = PST::Server->new('case-perl', limits => "StartServers 2\nMinSpareServers 2\nMaxSpareServers 2\nServerLimit 6\nMaxRequestWorkers 6\n",
    conf => "LoadModule perl_module $libexec/mod_perl.so\nPerlModule ModPerl::Registry\nAlias /perl/ \"%DIR%/perl/\"\n"
      . "<Location /perl/>\nSetHandler perl-script\nPerlResponseHandler ModPerl::Registry\nOptions +ExecCGI\nRequire all granted\n</Location>\n");
my $conf = PST::Stage::read_file($s->conf);
$conf =~ s/%DIR%/$s->{dir}/g;
PST::Stage::write_file($s->conf, $conf);
mkdir "$s->{dir}/perl";
for my $i (0 .. 199) {
    PST::Stage::write_file("$s->{dir}/perl/s$i.pl", "print \"Content-Type: text/plain\\n\\nok\\n\";\n"
        . join '', map "sub f$_ { my (\$a, \$b) = \@_; my \%h = map { \$_ => \$_ * $_ } 1 .. \$a; return join ',', sort keys \%h }\n", 1 .. 120);
    chmod 0755, "$s->{dir}/perl/s$i.pl";
}
$s->start or BAIL_OUT($s->start_text . $s->log_text);
my ($first, $again) = (200, 120);
kept($s->port, 1, 0.5, '/small.txt');
my $new = kept($s->port, 1, 1, sub { "/perl/s$_[0].pl" }, seconds => $first);
my (%while, %after, $repeated, $last);
looks($s, $first + $again, sub {
    my ($json, $seconds) = @_;
    $repeated //= kept($s->port, 1, 0.2, sub { '/perl/s' . $_[0] % 6 . '.pl' }) if $seconds > $first;
    # what has ended is told for as long as it took, and is found to have ended after an eighth of that
    my $to = $seconds < $first + 45 ? \%while : \%after;
    $to->{ $_->{id} }++ for @{ $json->{findings} };
    $last = $json if @{ $json->{findings} };
    return 0;
});
is(join(' ', grep { !/^(?:process|heap)-(?:grows-with-new|grew)$/ } sort keys %while), '', 'scripts asked for once: with what is new') or diag(said($last));
ok($while{'heap-grows-with-new'} || $while{'heap-grew'}, 'which is told');
is(join(' ', grep { !/-grew$/ } sort keys %after), '', 'six of them again: nothing, or that it grew') or diag(said($last));
note(join ' ', map "$_ in $while{$_} looks", sort keys %while);
note(said($last)) if $last;
ended();
is($s->stop, 0, 'stops');
unlike($s->log_text, qr/exit signal/, 'no crash');
done_testing;
