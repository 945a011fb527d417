# Five minutes of everything that is in order: kept and short connections, TLS, HTTP/2, a proxy, large and small answers, graceful restarts.
# Nothing is found, at any look.
use strict;
use warnings;
use PST;
use PST::Cases;
use PST::Server;
use Test::More;
use Time::HiRes qw(time sleep);

my $seconds = $ENV{CASE_SECONDS} || 300;
my $libexec = stage()->{libexec};
my $s = PST::Server->new('case-healthy', conf => "KeepAliveTimeout 5\n", limits => mpm() eq 'prefork'
    ? "StartServers 8\nMinSpareServers 4\nMaxSpareServers 20\nServerLimit 40\nMaxRequestWorkers 40\n"
    : "StartServers 2\nServerLimit 4\nThreadsPerChild 25\nThreadLimit 25\nMinSpareThreads 25\nMaxSpareThreads 75\nMaxRequestWorkers 100\n");
my ($dir, $port) = ($s->{dir}, $s->port);
my $tls = PST::Server::_free_port();
my $has_tls = -e "$libexec/mod_ssl.so" && !lacks('openssl', 'curl')
  && system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout $dir/key.pem -out $dir/cert.pem >$dir/openssl 2>&1") == 0;
my $has_h2 = !lacks('nghttp') && mpm() ne 'prefork';
my $conf = PST::Stage::read_file($s->conf);
my $more = "ProxyPass /proxy/ http://127.0.0.1:$port/\n" . ($has_h2 ? "Protocols h2 h2c http/1.1\n" : '');
$more .= "LoadModule socache_shmcb_module $libexec/mod_socache_shmcb.so\nLoadModule ssl_module $libexec/mod_ssl.so\nListen 127.0.0.1:$tls https\n"
  . "SSLSessionCache shmcb:$dir/run/cache(512000)\n<VirtualHost 127.0.0.1:$tls>\nSSLEngine On\nSSLCertificateFile $dir/cert.pem\nSSLCertificateKeyFile $dir/key.pem\n</VirtualHost>\n"
  if $has_tls;
PST::Stage::write_file($s->conf, $conf . $more);
$s->start or BAIL_OUT($s->start_text . $s->log_text);

my @loops;

# A program again and again, so many seconds apart
sub again {
    my ($apart, @command) = @_;
    defined(my $pid = fork) or die "fork: $!\n";
    push @loops, $pid and return if $pid;
    open STDOUT, '>', '/dev/null';
    open STDERR, '>&', \*STDOUT;
    my $until = time + $seconds + 30;
    while (time < $until) { system @command; sleep $apart }
    POSIX::_exit(0);
}
END { kill KILL => @loops if @loops }
kept($port, 5, 0.25, '/small.txt');
kept($port, 2, 1, sub { '/poolprobe?pool=request&output=' . 20000 * (1 + $_[0] % 9) });
kept($port, 2, 0.5, '/proxy/small.txt');
again(0.3, 'curl', '-sk', "https://127.0.0.1:$tls/small.txt", "https://127.0.0.1:$tls/small.txt") if $has_tls;
again(0.5, 'nghttp', '-n', map("http://127.0.0.1:$port/small.txt?$_", 1 .. 6)) if $has_h2;
again(0.2, 'curl', '-s', "http://127.0.0.1:$port/small.txt") if !lacks('curl');
diag('without TLS') if !$has_tls;

my (%found, $last, $looks, $restarted);
looks($s, $seconds, sub {
    my ($json, $after) = @_;
    $looks++;
    $found{ $_->{id} }++, $last = $json for @{ $json->{findings} };
    if ($after > $seconds / 4 * (1 + ($restarted // 0)) && ($restarted // 0) < 3) {
        $restarted++;
        ok($s->graceful, "restart $restarted");
    }
    return 0;
});
cmp_ok($looks, '>', $seconds / 10, "$looks looks");
is(join(' ', map "$_ $found{$_}", sort keys %found), '', 'nothing is found') or diag(said($last));
ended();
kill KILL => $_ and waitpid $_, 0 for splice @loops;
is($s->stop, 0, 'stops');
unlike($s->log_text, qr/exit signal/, 'no crash');
done_testing;
